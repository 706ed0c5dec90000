using Retrieval.Index;
using Retrieval.Index.Kernels;

namespace Retrieval.Offload;

/// <summary>
/// The KV cache of one token sequence in host memory: every token of every layer, row number = token position. What a device
/// holds (sinks, window) is a copy. New rows are 16-bit and lie in pages; <see cref="Pack"/> moves rows into segments, in the
/// layout's format and in the order of an index. Forks share pages until one side changes them, and segments always.
/// One writer at a time in a layer; layers are independent, and readers may run beside each other.
/// </summary>
/// <remarks>
/// A packed row number is a place in its segment's order, not a position: whoever reads a whole segment, or was given row
/// numbers by an index, works unchanged. <see cref="Position"/> translates.
/// </remarks>
public sealed unsafe class KvStore : IDisposable
{
    // Tokens whose rows are worth handing to another thread.
    private const int AppendedTogether = 64;

    // Rows that are left of a page, at most, when a generation begins the next one.
    private const int MostAhead = 128;

    private readonly List<KvPage?>[] _pages;
    private readonly List<KvSegment>[] _segments;
    private readonly int[] _length;
    private readonly int[] _released;
    private readonly FarPlacement?[] _placements;
    private readonly RowArena _arena = new();
    private long _bytes;

    /// <param name="placements">For each layer where its packed keys stand for queries; null, in all layers or in that one: where they stood.</param>
    public KvStore(KvLayout layout, FarPlacement?[]? placements = null)
    {
        Layout = layout;
        _placements = placements ?? new FarPlacement?[layout.Layers];
        _pages = new List<KvPage?>[layout.Layers];
        _segments = new List<KvSegment>[layout.Layers];
        for (int layer = 0; layer < layout.Layers; layer++)
        {
            _pages[layer] = [];
            _segments[layer] = [];
        }
        _length = new int[layout.Layers];
        _released = new int[layout.Layers];
    }

    public KvLayout Layout { get; }

    /// <summary>Bytes of the pages and segments held; shared ones count in each store.</summary>
    public long Bytes => Interlocked.Read(ref _bytes);

    /// <summary>Rows of a layer, released ones included.</summary>
    public int Length(int layer) => _length[layer];

    /// <summary>Where a layer's packed keys stand for queries; null: where they stood.</summary>
    public FarPlacement? Placement(int layer) => _placements[layer];

    /// <summary>Rows before this one were released and must not be read.</summary>
    public int FirstRow(int layer) => _released[layer];

    /// <summary>Packed rows of a layer, ascending and disjoint.</summary>
    public IReadOnlyList<KvSegment> Segments(int layer) => _segments[layer];

    /// <summary>Appends tokens to a layer.</summary>
    /// <param name="keys">[tokens, kvHeads, headDim], after RoPE.</param>
    /// <param name="values">Like <paramref name="keys"/>.</param>
    /// <param name="workers">Take the tokens of a prompt between them; null: the calling thread takes all.</param>
    public void Append(int layer, float* keys, float* values, int tokens, WorkerPool? workers = null)
    {
        int begin = _length[layer], end = checked(begin + tokens);
        Reserve(layer, begin, end);
        if (workers is null || tokens <= AppendedTogether)
            Write(layer, begin, keys, values, 0, tokens);
        else
            workers.For(tokens, AppendedTogether, (_, first, last) => Write(layer, begin, keys, values, first, last));
        _length[layer] = end;
        if (tokens == 1)
            BeginPageAhead(layer, end);
    }

    /// <summary>Keys of a row that is not packed, and of the rows after it up to the end of the page.</summary>
    public ushort* Key(int layer, int head, int row) => (ushort*)(_pages[layer][KvLayout.PageOf(row)]!.Data + Layout.KeyOffset(head, row));

    /// <summary>Values of a row that is not packed, and of the rows after it up to the end of the page.</summary>
    public ushort* Value(int layer, int head, int row) => (ushort*)(_pages[layer][KvLayout.PageOf(row)]!.Data + Layout.ValueOffset(head, row));

    /// <summary>Widens the keys of rows [first, first + count) to float32, [count, headDim].</summary>
    public void ReadKeys(int layer, int head, int first, int count, float* destination) => Read(layer, head, first, count, destination, Part.Key);

    /// <summary>Like <see cref="ReadKeys"/>, but as the keys are packed: at the origin in a layer that has a <see cref="Placement"/>.</summary>
    public void ReadPackedKeys(int layer, int head, int first, int count, float* destination)
        => Read(layer, head, first, count, destination, Part.PackedKey);

    /// <summary>Widens the values of rows [first, first + count) to float32, [count, headDim].</summary>
    public void ReadValues(int layer, int head, int first, int count, float* destination) => Read(layer, head, first, count, destination, Part.Value);

    /// <summary>Rows of [row, end) that lie one after another from <see cref="Key"/> and <see cref="Value"/> of the first on; 0: it is packed.</summary>
    internal int PageRun(int layer, int row, int end)
    {
        KvSegment? segment = FindSegment(layer, row);
        if (segment is not null && row >= segment.First)
            return 0;
        return Math.Min(Math.Min(segment?.First ?? end, end) - row, KvLayout.RowsPerPage - row % KvLayout.RowsPerPage);
    }

    /// <summary>Asks the memory for the keys of rows that will be read soon, if they are in a page: to the end of that page.</summary>
    internal void PrefetchKeys(int layer, int head, int row, int count) => Prefetch(layer, row, count, Layout.KeyOffset(head, row));

    /// <summary>Like <see cref="PrefetchKeys"/>, values.</summary>
    internal void PrefetchValues(int layer, int head, int row, int count) => Prefetch(layer, row, count, Layout.ValueOffset(head, row));

    /// <summary>Token position of a row.</summary>
    public int Position(int layer, int head, int row)
        => FindSegment(layer, row) is { } segment && row >= segment.First ? segment.First + segment.Order(head)[row - segment.First] : row;

    /// <summary>Moves rows of a layer from pages into a segment and frees the pages that hold no others.</summary>
    /// <param name="first">Not before the end of the last segment.</param>
    /// <param name="orders">[kvHeads][count]: for each head the order of its rows, a permutation of 0 … count − 1.</param>
    /// <param name="workers">Take the heads between them; null: the calling thread takes all.</param>
    /// <exception cref="ArgumentException">The rows are not there or packed already, or an order is not a permutation.</exception>
    public void Pack(int layer, int first, int count, ushort[][] orders, WorkerPool? workers = null)
    {
        List<KvSegment> segments = _segments[layer];
        int free = segments.Count == 0 ? 0 : segments[^1].End;
        if (count < 1 || first < Math.Max(free, _released[layer]) || first + (long)count > _length[layer])
            throw new ArgumentException($"Rows {first} to {first + (long)count} of layer {layer} cannot be packed: it has {_length[layer]} rows, of which those before {Math.Max(free, _released[layer])} are packed or released.");
        Permutation.Check(orders, Layout.KvHeads, count);
        KvSegment segment = KvSegment.Pack(this, layer, first, orders, _arena, workers);
        segments.Add(segment);
        Interlocked.Add(ref _bytes, segment.Bytes);
        DropPackedPages(layer, segment);
    }

    /// <summary>Takes the segments of a layer apart that end after <paramref name="end"/>: their rows return to pages, in the order of their arrival.</summary>
    public void Unpack(int layer, int end)
    {
        while (_segments[layer].Count > 0 && _segments[layer][^1].End > end)
            UnpackLast(layer, _length[layer]);
    }

    /// <summary>Frees the pages of a layer that hold only rows before <paramref name="row"/> (a sliding layer never reads them again).</summary>
    public void ReleaseBefore(int layer, int row)
    {
        int keep = KvLayout.PageOf(Math.Min(row, _length[layer]));
        for (int page = _released[layer] / KvLayout.RowsPerPage; page < keep; page++)
            Drop(layer, page);
        _released[layer] = Math.Max(_released[layer], keep * KvLayout.RowsPerPage);
    }

    /// <summary>Forgets the rows from <paramref name="length"/> on, in every layer. A segment that is cut returns its rows to pages.</summary>
    /// <exception cref="ArgumentOutOfRangeException">A layer has released the row that would be its last; 0 is always possible.</exception>
    public void Truncate(int length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        if (length > 0)
            ArgumentOutOfRangeException.ThrowIfLessThan(length, _released.Max());
        for (int layer = 0; layer < Layout.Layers; layer++)
        {
            if (_length[layer] <= length)
                continue;
            while (_segments[layer].Count > 0 && _segments[layer][^1].End > length)
                UnpackLast(layer, length);
            int keep = (length + KvLayout.RowsPerPage - 1) / KvLayout.RowsPerPage;
            for (int page = _pages[layer].Count - 1; page >= keep; page--)
            {
                Drop(layer, page);
                _pages[layer].RemoveAt(page);
            }
            _length[layer] = length;
            _released[layer] = Math.Min(_released[layer], length);
        }
    }

    /// <summary>A store with the same rows; pages are shared until one of the two writes to them.</summary>
    public KvStore Fork()
    {
        var fork = new KvStore(Layout, _placements) { _bytes = Bytes };
        for (int layer = 0; layer < Layout.Layers; layer++)
        {
            foreach (KvPage? page in _pages[layer])
                fork._pages[layer].Add(page?.Share());
            foreach (KvSegment segment in _segments[layer])
                fork._segments[layer].Add(segment.Share());
            fork._length[layer] = _length[layer];
            fork._released[layer] = _released[layer];
        }
        return fork;
    }

    public void Dispose()
    {
        for (int layer = 0; layer < Layout.Layers; layer++)
        {
            for (int page = 0; page < _pages[layer].Count; page++)
                Drop(layer, page);
            foreach (KvSegment segment in _segments[layer])
                segment.Release();
            _pages[layer].Clear();
            _segments[layer].Clear();
            _length[layer] = 0;
        }
        _arena.Dispose();
        _bytes = 0;
    }

    private void Prefetch(int layer, int row, int count, long offset)
    {
        int page = KvLayout.PageOf(row);
        if (page >= _pages[layer].Count || _pages[layer][page] is not { } held)
            return;
        int run = Math.Min(count, KvLayout.RowsPerPage - row % KvLayout.RowsPerPage);
        CacheLines.Prefetch(held.Data + offset, held.Data + offset + (long)run * Layout.RowBytes);
    }

    private void Read(int layer, int head, int first, int count, float* destination, Part part)
    {
        int dim = Layout.HeadDim;
        for (int row = first, end = first + count; row < end;)
        {
            int run;
            if (FindSegment(layer, row) is { } segment && row >= segment.First)
            {
                run = Math.Min(end, segment.End) - row;
                segment.Rows(head).Read(part != Part.Value, row - segment.First, run, destination);
                for (int i = 0; part == Part.Key && i < run; i++)
                    _placements[layer]?.Rotation.Turn(destination + (long)i * dim, 1, dim, segment.First + segment.Order(head)[row + i - segment.First]);
            }
            else
            {
                int limit = FindSegment(layer, row) is { } next ? Math.Min(end, next.First) : end;
                run = Math.Min(limit - row, KvLayout.RowsPerPage - row % KvLayout.RowsPerPage);
                HalfRow.Widen(part == Part.Value ? Value(layer, head, row) : Key(layer, head, row), destination, run * dim);
                for (int i = 0; part == Part.PackedKey && i < run; i++)
                    _placements[layer]?.Rotation.Turn(destination + (long)i * dim, 1, dim, -(row + i));
            }
            destination += (long)run * dim;
            row += run;
        }
    }

    /// <summary>The segment that holds a row or is the first after it.</summary>
    private KvSegment? FindSegment(int layer, int row)
    {
        List<KvSegment> segments = _segments[layer];
        int low = 0, high = segments.Count;
        while (low < high)
        {
            int middle = (low + high) / 2;
            if (segments[middle].End > row)
                high = middle;
            else
                low = middle + 1;
        }
        return low < segments.Count ? segments[low] : null;
    }

    /// <summary>Pages for rows [begin, end), not shared with a fork.</summary>
    private void Reserve(int layer, int begin, int end)
    {
        List<KvPage?> pages = _pages[layer];
        if (begin == end)
            return;
        int last = KvLayout.PageOf(end - 1);
        while (pages.Count <= last)
            pages.Add(null);
        for (int page = KvLayout.PageOf(begin); page <= last; page++)
        {
            if (pages[page] is null)
            {
                BeginPage(layer, page);
            }
            else if (pages[page]!.Shared)
            {
                KvPage shared = pages[page]!;
                pages[page] = shared.Copy();
                shared.Release();
            }
        }
    }

    /// <summary>
    /// In a generation all layers come to the end of a page in the same step, and the system takes a step's time to find memory for
    /// all of them: each layer begins its next page some rows earlier, every layer at another one.
    /// </summary>
    private void BeginPageAhead(int layer, int end)
    {
        int next = KvLayout.PageOf(end) + 1;
        if (next * KvLayout.RowsPerPage - end == 1 + layer % MostAhead && next == _pages[layer].Count)
        {
            _pages[layer].Add(null);
            BeginPage(layer, next);
        }
    }

    private void BeginPage(int layer, int page)
    {
        _pages[layer][page] = new KvPage(Layout.PageBytes);
        Interlocked.Add(ref _bytes, Layout.PageBytes);
    }

    private void DropPackedPages(int layer, KvSegment segment)
    {
        for (int page = KvLayout.PageOf(segment.First); page <= KvLayout.PageOf(segment.End - 1); page++)
        {
            int first = page * KvLayout.RowsPerPage, end = first + KvLayout.RowsPerPage;
            if (end <= segment.End && IsPacked(layer, first, end))
                Drop(layer, page);
        }
    }

    private bool IsPacked(int layer, int row, int end)
    {
        while (row < end)
        {
            if (FindSegment(layer, row) is not { } segment || row < segment.First)
                return false;
            row = segment.End;
        }
        return true;
    }

    /// <summary>Takes the last segment apart: its rows before a length go back to pages, in the order of their arrival.</summary>
    private void UnpackLast(int layer, int length)
    {
        KvSegment segment = _segments[layer][^1];
        _segments[layer].RemoveAt(_segments[layer].Count - 1);
        length = Math.Min(length, segment.End);
        if (length > segment.First)
        {
            Reserve(layer, segment.First, length);
            float* row = stackalloc float[Layout.HeadDim];
            for (int head = 0; head < Layout.KvHeads; head++)
            {
                for (int place = 0; place < segment.Count; place++)
                {
                    int position = segment.First + segment.Order(head)[place];
                    if (position >= length)
                        continue;
                    segment.Rows(head).ReadKey(place, row);
                    _placements[layer]?.Rotation.Turn(row, 1, Layout.HeadDim, position);
                    HalfRow.Narrow(row, Key(layer, head, position), Layout.HeadDim);
                    segment.Rows(head).ReadValue(place, row);
                    HalfRow.Narrow(row, Value(layer, head, position), Layout.HeadDim);
                }
            }
        }
        Interlocked.Add(ref _bytes, -segment.Bytes);
        segment.Release();
    }

    /// <summary>Narrows tokens [first, last) of some that begin at row <paramref name="begin"/>.</summary>
    private void Write(int layer, int begin, float* keys, float* values, int first, int last)
    {
        int dim = Layout.HeadDim, width = Layout.KvHeads * dim;
        for (int token = first; token < last; token++)
        {
            for (int head = 0; head < Layout.KvHeads; head++)
            {
                long from = (long)token * width + head * dim;
                HalfRow.Narrow(keys + from, Key(layer, head, begin + token), dim);
                HalfRow.Narrow(values + from, Value(layer, head, begin + token), dim);
            }
        }
    }

    private void Drop(int layer, int page)
    {
        if (_pages[layer][page] is not { } held)
            return;
        held.Release();
        _pages[layer][page] = null;
        Interlocked.Add(ref _bytes, -Layout.PageBytes);
    }

    private enum Part
    {
        /// <summary>A key as it was appended.</summary>
        Key,

        /// <summary>A key as it is packed.</summary>
        PackedKey,
        Value,
    }
}
