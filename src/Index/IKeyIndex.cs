namespace Retrieval.Index;

/// <summary>A row and its score; bigger is better.</summary>
public readonly record struct Hit(int Row, float Score);

/// <summary>
/// Finds the rows that matter to a group of queries. The rows themselves belong to somebody else (<see cref="IKeyRows"/>);
/// an index knows which of them it covers and may keep whatever helps to find them.
/// </summary>
/// <remarks>All queries of a group are searched at once: one pass over the keys serves them all.</remarks>
public interface IKeyIndex
{
    /// <summary>Rows covered: [First, First + Count) of the source.</summary>
    int Count { get; }

    /// <summary>Bytes that the index holds beside the rows.</summary>
    long Bytes { get; }

    /// <summary>Covers the next <paramref name="count"/> rows of the source; they must be readable.</summary>
    void Append(int count);

    /// <summary>Covers only the first <paramref name="count"/> rows.</summary>
    void Truncate(int count);

    /// <summary>The <paramref name="k"/> rows with the largest score, in order of their row number.</summary>
    /// <param name="queries">[group, dim], scaled so that a dot product is a logit.</param>
    /// <param name="hits">At least <paramref name="k"/> long.</param>
    /// <returns>Hits written: min(k, Count), no padding.</returns>
    int Search(ReadOnlySpan<float> queries, int k, Span<Hit> hits);
}

/// <summary>Key rows of one KV head, however they are stored.</summary>
public interface IKeyRows
{
    /// <summary>Elements of a row.</summary>
    int Dim { get; }

    /// <summary>Widens rows [first, first + count) to float32, [count, dim].</summary>
    unsafe void Read(int first, int count, float* destination);
}
