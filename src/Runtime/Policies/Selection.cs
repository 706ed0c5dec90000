namespace Retrieval.Runtime.Policies;

/// <summary>
/// The far tokens that one decode step reads exactly: all of them, or a list for each KV head. One instance serves all steps.
/// </summary>
internal sealed class Selection(int kvHeads)
{
    private readonly int[][] _rows = [.. Enumerable.Range(0, kvHeads).Select(_ => Array.Empty<int>())];
    private readonly int[] _count = new int[kvHeads];

    /// <summary>Every far row is read; the lists are empty.</summary>
    public bool All { get; private set; }

    /// <summary>Rows chosen for a KV head, ascending, without duplicates.</summary>
    public ReadOnlySpan<int> Rows(int kvHead) => _rows[kvHead].AsSpan(0, _count[kvHead]);

    public void Clear()
    {
        All = false;
        Array.Clear(_count);
    }

    public void SelectAll() => All = true;

    /// <summary>Room for the rows of a KV head; the caller fills all of it, ascending. Heads may be filled by different threads.</summary>
    public Span<int> Reserve(int kvHead, int count)
    {
        if (_rows[kvHead].Length < count)
            _rows[kvHead] = new int[count];
        _count[kvHead] = count;
        return _rows[kvHead].AsSpan(0, count);
    }
}
