namespace Retrieval.Index;

/// <summary>Rows of the opened lists whose values are read, in the scratch memory of a <see cref="Cascade"/>.</summary>
/// <param name="at">Where each row's weights stand, ascending.</param>
/// <param name="places">Which place of its segment each has.</param>
/// <param name="lists">Which opened list each belongs to.</param>
/// <param name="opened">Numbers of the opened lists.</param>
/// <param name="weights">[group, stride]</param>
internal readonly ref struct ChosenRows(ReadOnlySpan<int> at, int[] places, int[] lists, int[] opened, float[] weights, int stride)
{
    private readonly ReadOnlySpan<int> _at = at;

    public int Count => _at.Length;

    /// <summary>Number of a row's list, as in <see cref="SegmentCursor"/>.</summary>
    public int List(int i) => opened[lists[i]];

    /// <summary>Which place of its segment.</summary>
    public int Place(int i) => places[i];

    public float Weight(int g, int i) => weights[g * stride + _at[i]];
}
