using Retrieval.Offload;

namespace Retrieval.Runtime.Policies;

/// <summary>
/// What one decode step takes from the far tokens of a layer: for each KV head the rows to attend to exactly and, if the method
/// estimates, a partial that speaks for the others. One instance serves all steps.
/// </summary>
internal sealed unsafe class Selection
{
    private readonly int[][] _rows;
    private readonly int[] _count;
    private readonly bool[] _estimated;
    private readonly float[] _partials;
    private readonly int _group, _headDim;

    public Selection(int kvHeads, int group, int headDim)
    {
        (_group, _headDim) = (group, headDim);
        _rows = [.. Enumerable.Range(0, kvHeads).Select(_ => Array.Empty<int>())];
        _count = new int[kvHeads];
        _estimated = new bool[kvHeads];
        _partials = GC.AllocateArray<float>(kvHeads * PartialFloats, pinned: true);
    }

    // Whole cache lines, so that two workers never write to the same one.
    private int PartialFloats => (AttentionPartial.Floats(_group, _headDim) + 31) / 16 * 16;

    /// <summary>Rows chosen for a KV head, ascending, without duplicates.</summary>
    public ReadOnlySpan<int> Rows(int kvHead) => _rows[kvHead].AsSpan(0, _count[kvHead]);

    /// <summary>The partial that speaks for a KV head's far rows that are not among <see cref="Rows"/>; null: they are left out.</summary>
    public AttentionPartial? Estimate(int kvHead) => _estimated[kvHead] ? Partial(kvHead) : null;

    public void Clear()
    {
        Array.Clear(_count);
        Array.Clear(_estimated);
    }

    /// <summary>Room for the rows of a KV head; the caller fills all of it, ascending. Heads may be filled by different threads.</summary>
    public Span<int> Reserve(int kvHead, int count)
    {
        if (_rows[kvHead].Length < count)
            _rows[kvHead] = new int[count];
        _count[kvHead] = count;
        return _rows[kvHead].AsSpan(0, count);
    }

    /// <summary>Room for the estimate of a KV head; the caller fills all of it.</summary>
    public AttentionPartial ReserveEstimate(int kvHead)
    {
        _estimated[kvHead] = true;
        return Partial(kvHead);
    }

    private AttentionPartial Partial(int kvHead)
        => new((float*)System.Runtime.CompilerServices.Unsafe.AsPointer(ref _partials[kvHead * PartialFloats]), _group, _headDim);
}
