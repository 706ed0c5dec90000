namespace Retrieval.Runtime.Text;

/// <summary>
/// Byte pair encoding of one run of symbols: the pair of smallest rank merges first, the leftmost of equals. Short runs are
/// scanned, long ones use a heap, so a run without any boundary costs O(n log n). One instance serves one thread.
/// </summary>
internal sealed class PairMerger(MergeTable merges)
{
    private const int LongestScanned = 48;

    private readonly int[] _ranks = new int[LongestScanned];

    private readonly PriorityQueue<int, ulong> _queue = new();

    private int[] _previous = [];

    private int[] _next = [];

    /// <summary>Merges in place; returns how many symbols are left at the start of the span.</summary>
    public int Merge(Span<int> symbols) =>
        symbols.Length <= LongestScanned ? MergeByScan(symbols) : MergeByHeap(symbols);

    private int MergeByScan(Span<int> symbols)
    {
        int count = symbols.Length;
        Span<int> ranks = _ranks;
        for (int i = 0; i + 1 < count; i++)
            ranks[i] = merges.Rank(symbols[i], symbols[i + 1], out _);
        while (count > 1)
        {
            int best = 0;
            for (int i = 1; i < count - 1; i++)
            {
                if (ranks[i] < ranks[best])
                    best = i;
            }
            if (ranks[best] == MergeTable.None)
                break;
            merges.Rank(symbols[best], symbols[best + 1], out symbols[best]);
            symbols[(best + 2)..count].CopyTo(symbols[(best + 1)..]);
            ranks[(best + 1)..(count - 1)].CopyTo(ranks[best..]);
            count--;
            if (best + 1 < count)
                ranks[best] = merges.Rank(symbols[best], symbols[best + 1], out _);
            if (best > 0)
                ranks[best - 1] = merges.Rank(symbols[best - 1], symbols[best], out _);
        }
        return count;
    }

    private int MergeByHeap(Span<int> symbols)
    {
        Link(symbols.Length);
        for (int i = 0; i + 1 < symbols.Length; i++)
            Offer(symbols, i);
        while (_queue.TryDequeue(out int at, out ulong key))
        {
            int right = _next[at];
            // A removed symbol points at itself; an entry whose neighbours merged since no longer has this rank.
            if (right == at || right < 0 || merges.Rank(symbols[at], symbols[right], out int result) != (int)(key >> 32))
                continue;
            symbols[at] = result;
            int after = _next[right];
            _next[at] = after;
            _next[right] = right;
            if (after >= 0)
            {
                _previous[after] = at;
                Offer(symbols, at);
            }
            if (_previous[at] >= 0)
                Offer(symbols, _previous[at]);
        }
        int count = 0;
        for (int i = 0; i >= 0; i = _next[i])
            symbols[count++] = symbols[i];
        return count;
    }

    private void Offer(Span<int> symbols, int at)
    {
        int rank = merges.Rank(symbols[at], symbols[_next[at]], out _);
        if (rank != MergeTable.None)
            _queue.Enqueue(at, (ulong)rank << 32 | (uint)at);
    }

    private void Link(int count)
    {
        if (_next.Length < count)
        {
            _previous = new int[count];
            _next = new int[count];
        }
        for (int i = 0; i < count; i++)
        {
            _previous[i] = i - 1;
            _next[i] = i + 1;
        }
        _next[count - 1] = -1;
    }
}
