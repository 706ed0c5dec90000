namespace Retrieval.Index;

/// <summary>
/// Searches of several KV heads at once on all workers. A worker takes a part of the head that has come least far, of those of its own first,
/// so that all come to an end together: three heads keep two threads busy to the last level, without a barrier for all between levels.
/// </summary>
public sealed class CascadeTeam
{
    private const int SpinsBeforeYield = 2000;

    private readonly WorkerPool _workers;
    private readonly Action<int> _work;
    private Search[] _searches = [];
    private int _count;
    private volatile int _unfinished;

    /// <param name="workers">Runs nothing else meanwhile.</param>
    public CascadeTeam(WorkerPool workers) => (_workers, _work) = (workers, Work);

    /// <summary>Answers all queries.</summary>
    /// <returns>Bytes read.</returns>
    public long Run(ReadOnlySpan<CascadeQuery> queries)
    {
        if (_searches.Length < queries.Length)
            _searches = [.. _searches, .. Enumerable.Range(_searches.Length, queries.Length - _searches.Length).Select(_ => new Search())];
        _count = _unfinished = queries.Length;
        for (int i = 0; i < queries.Length; i++)
            _searches[i].Set(queries[i]);
        _workers.Share(_work);
        long bytes = 0;
        foreach (Search search in _searches.AsSpan(0, queries.Length))
            bytes += search.Cascade.Bytes.Total;
        return bytes;
    }

    private void Work(int worker)
    {
        try
        {
            for (int spins = 0; _unfinished > 0; spins++)
            {
                if (WorkOnOne(worker))
                    spins = 0;
                else if (spins < SpinsBeforeYield)
                    Thread.SpinWait(1);
                else
                    Thread.Yield();
            }
        }
        catch
        {
            // The others would wait for what will not come.
            _unfinished = 0;
            throw;
        }
    }

    private bool WorkOnOne(int worker)
    {
        int best = -1;
        long least = long.MaxValue;
        for (int i = 0; i < _count; i++)
        {
            int head = (worker + i) % _count;
            long level = _searches[head].Waiting;
            if (level < least)
                (best, least) = (head, level);
        }
        return best >= 0 && WorkOn(_searches[best]);
    }

    private bool WorkOn(Search search)
    {
        if (!search.TakePart(out bool last))
            return false;
        if (last)
            Interlocked.Decrement(ref _unfinished);
        return true;
    }

    /// <summary>A search of which several workers may take parts; whoever does the last one of a level ends it.</summary>
    private sealed class Search
    {
        private const int CountBits = 20, Mask = (1 << CountBits) - 1;

        private CascadeQuery _query;

        // Level, its parts, and the next one that nobody has taken; level 0 is the beginning.
        private long _state;
        private int _left;

        public Cascade Cascade { get; } = new();

        /// <summary>Level at which a part waits for a worker; the largest number there is if none does.</summary>
        public long Waiting
        {
            get
            {
                long state = Volatile.Read(ref _state);
                return (state & Mask) == (state >> CountBits & Mask) ? long.MaxValue : state >> 2 * CountBits;
            }
        }

        public void Set(in CascadeQuery query)
        {
            _query = query;
            Publish(0, 1);
        }

        /// <summary>Does a part if there is one.</summary>
        /// <param name="last">It was the last of the search.</param>
        public bool TakePart(out bool last)
        {
            last = false;
            long state = Volatile.Read(ref _state);
            int part = (int)(state & Mask), parts = (int)(state >> CountBits & Mask), level = (int)(state >> 2 * CountBits);
            if (part == parts || Interlocked.CompareExchange(ref _state, state + 1, state) != state)
                return false;
            if (level == 0)
                Cascade.Begin(_query);
            else
                Cascade.Work(part);
            if (Interlocked.Decrement(ref _left) > 0)
                return true;
            bool more = level == 0 || Cascade.Advance();
            while (more && Cascade.Parts == 0)
                more = Cascade.Advance();
            last = !more;
            if (more)
                Publish(level + 1, Cascade.Parts);
            return true;
        }

        private void Publish(int level, int parts)
        {
            _left = parts;
            Volatile.Write(ref _state, (long)level << 2 * CountBits | (long)parts << CountBits);
        }
    }
}
