using Retrieval.Index.Kernels;

namespace Retrieval.Index;

/// <summary>
/// Exact search: every key is scored at every search. The score of a row is its attention weight summed over the group,
/// Σ_g softmax_g(q_g · k), which is the mass that dropping the row would lose. Holds nothing beside the rows.
/// </summary>
public sealed unsafe class FlatIndex(IKeyRows rows, int first = 0) : IKeyIndex
{
    // 8 KB at 64 elements: a quarter of the first-level cache, which two hardware threads may share.
    private const int TileRows = 32;

    public int Count { get; private set; }

    public long Bytes => 0;

    public void Append(int count)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        Count = checked(Count + count);
    }

    public void Truncate(int count)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        Count = Math.Min(Count, count);
    }

    public int Search(ReadOnlySpan<float> queries, int k, Span<Hit> hits)
    {
        int dim = rows.Dim, group = queries.Length / dim, count = Count;
        if (count == 0 || k <= 0)
            return 0;
        (float[] allScores, float[] scratch) = GroupWeights.Buffers(group, count);
        fixed (float* scores = allScores, query = queries)
        {
            float* tile = stackalloc float[TileRows * dim];
            for (int row = 0; row < count; row += TileRows)
            {
                int tileRows = Math.Min(TileRows, count - row);
                rows.Read(first + row, tileRows, tile);
                TileScores.Compute(tile, tileRows, dim, query, group, scores + row, count);
            }
        }
        GroupWeights.Sum(allScores, group, count);
        return TopK.Select(allScores.AsSpan(0, count), scratch, k, first, hits);
    }

    /// <summary>Writes which rows are covered; the rows themselves belong to somebody else.</summary>
    public void Save(Stream stream) => IndexFile.Save(stream, IndexKind.Flat, new IndexShape(rows.Dim, first, Count), static _ => { });

    /// <summary>Reads what <see cref="Save"/> wrote.</summary>
    /// <param name="rows">The rows that were covered.</param>
    /// <param name="available">Rows that the source has; an index that covers more is refused.</param>
    /// <exception cref="InvalidDataException">The stream holds no undamaged index of this kind over rows of this shape.</exception>
    public static FlatIndex Load(Stream stream, IKeyRows rows, int available) => IndexFile.Load(stream, IndexKind.Flat, (shape, _) =>
    {
        shape.Expect(rows, available);
        return new FlatIndex(rows, shape.First) { Count = shape.Count };
    });
}
