namespace Retrieval.Index;

/// <summary>The rows whose values are read, ascending, with their weights.</summary>
/// <param name="rows">[count]: where key and value lie.</param>
/// <param name="opened">[count]: which of the opened lists each belongs to.</param>
/// <param name="weights">[quads, stride, 4], exact: see <see cref="QueryQuad"/>.</param>
internal readonly unsafe ref struct ChosenRows(int count, PackedRow* rows, int* opened, ReadOnlySpan<int> openedEntries, float* weights, int stride)
{
    private readonly ReadOnlySpan<int> _openedEntries = openedEntries;

    public int Count { get; } = count;

    public PackedRow* Rows { get; } = rows;

    public int* Opened { get; } = opened;

    /// <summary>Entry of a row's list in a <see cref="ListLevel"/>.</summary>
    public int Entry(int i) => _openedEntries[Opened[i]];

    /// <summary>[Count, 4]: weights of four queries, from the g-th on.</summary>
    public float* Quads(int g) => weights + (long)g * stride;
}
