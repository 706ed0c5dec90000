namespace Retrieval.Index;

/// <summary>A row whose key, or value, is read.</summary>
/// <param name="Opened">Which of the opened lists it belongs to.</param>
/// <param name="Row">Where key and value lie.</param>
internal readonly record struct ChosenRow(int Opened, PackedRow Row);

/// <summary>The rows whose values are read, ascending, with their weights.</summary>
/// <param name="weights">[quads, stride, 4], exact: see <see cref="QueryQuad"/>.</param>
internal readonly unsafe ref struct ChosenRows(ReadOnlySpan<ChosenRow> rows, ReadOnlySpan<int> openedEntries, float* weights, int stride)
{
    private readonly ReadOnlySpan<int> _openedEntries = openedEntries;

    public ReadOnlySpan<ChosenRow> Rows { get; } = rows;

    public int Count => Rows.Length;

    /// <summary>Entry of a row's list in a <see cref="ListLevel"/>.</summary>
    public int Entry(int i) => _openedEntries[Rows[i].Opened];

    /// <summary>[Count, 4]: weights of four queries, from the g-th on.</summary>
    public float* Quads(int g) => weights + (long)g * stride;
}
