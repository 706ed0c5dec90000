using Retrieval.Index.Kernels;

namespace Retrieval.Offload;

/// <summary>
/// The KV cache of one token sequence in host memory: every token of every layer, row number = token position. What a device
/// holds (sinks, window) is a copy. Pages are allocated as rows arrive; forks share full pages until one side changes them.
/// One writer at a time; readers may run beside each other.
/// </summary>
public sealed unsafe class KvStore : IDisposable
{
    private readonly List<KvPage?>[] _pages;
    private readonly int[] _length;
    private readonly int[] _released;

    public KvStore(KvLayout layout)
    {
        Layout = layout;
        _pages = new List<KvPage?>[layout.Layers];
        for (int layer = 0; layer < layout.Layers; layer++)
            _pages[layer] = [];
        _length = new int[layout.Layers];
        _released = new int[layout.Layers];
    }

    public KvLayout Layout { get; }

    /// <summary>Bytes of the pages held; shared pages count in each store.</summary>
    public long Bytes { get; private set; }

    /// <summary>Rows of a layer, released ones included.</summary>
    public int Length(int layer) => _length[layer];

    /// <summary>Rows before this one were released and must not be read.</summary>
    public int FirstRow(int layer) => _released[layer];

    /// <summary>Appends tokens to a layer.</summary>
    /// <param name="keys">[tokens, kvHeads, headDim], after RoPE.</param>
    /// <param name="values">Like <paramref name="keys"/>.</param>
    public void Append(int layer, float* keys, float* values, int tokens)
    {
        List<KvPage?> pages = _pages[layer];
        int begin = _length[layer], end = checked(begin + tokens);
        if (tokens > 0 && begin % KvLayout.RowsPerPage != 0)
            Own(layer, KvLayout.PageOf(begin));
        while (pages.Count * (long)KvLayout.RowsPerPage < end)
        {
            pages.Add(new KvPage(Layout.PageBytes));
            Bytes += Layout.PageBytes;
        }
        int dim = Layout.HeadDim, width = Layout.KvHeads * dim;
        for (int row = begin; row < end; row++, keys += width, values += width)
        {
            byte* page = pages[KvLayout.PageOf(row)]!.Data;
            for (int head = 0; head < Layout.KvHeads; head++)
            {
                HalfRow.Narrow(keys + head * dim, (ushort*)(page + Layout.KeyOffset(head, row)), dim);
                HalfRow.Narrow(values + head * dim, (ushort*)(page + Layout.ValueOffset(head, row)), dim);
            }
        }
        _length[layer] = end;
    }

    /// <summary>Keys of <paramref name="row"/> and of the rows after it up to the end of the page.</summary>
    public ushort* Key(int layer, int head, int row)
        => (ushort*)(_pages[layer][KvLayout.PageOf(row)]!.Data + Layout.KeyOffset(head, row));

    /// <summary>Values of <paramref name="row"/> and of the rows after it up to the end of the page.</summary>
    public ushort* Value(int layer, int head, int row)
        => (ushort*)(_pages[layer][KvLayout.PageOf(row)]!.Data + Layout.ValueOffset(head, row));

    /// <summary>Widens the keys of rows [first, first + count) to float32, [count, headDim].</summary>
    public void ReadKeys(int layer, int head, int first, int count, float* destination)
    {
        for (int row = first, end = first + count; row < end;)
        {
            int run = RunLength(row, end);
            HalfRow.Widen(Key(layer, head, row), destination, run * Layout.HeadDim);
            destination += run * Layout.HeadDim;
            row += run;
        }
    }

    /// <summary>Widens the values of rows [first, first + count) to float32, [count, headDim].</summary>
    public void ReadValues(int layer, int head, int first, int count, float* destination)
    {
        for (int row = first, end = first + count; row < end;)
        {
            int run = RunLength(row, end);
            HalfRow.Widen(Value(layer, head, row), destination, run * Layout.HeadDim);
            destination += run * Layout.HeadDim;
            row += run;
        }
    }

    /// <summary>Frees the pages of a layer that hold only rows before <paramref name="row"/> (a sliding layer never reads them again).</summary>
    public void ReleaseBefore(int layer, int row)
    {
        List<KvPage?> pages = _pages[layer];
        int keep = KvLayout.PageOf(Math.Min(row, _length[layer]));
        for (int page = _released[layer] / KvLayout.RowsPerPage; page < keep; page++)
            Drop(layer, page);
        _released[layer] = Math.Max(_released[layer], keep * KvLayout.RowsPerPage);
    }

    /// <summary>Forgets the rows from <paramref name="length"/> on, in every layer.</summary>
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
        var fork = new KvStore(Layout) { Bytes = Bytes };
        for (int layer = 0; layer < Layout.Layers; layer++)
        {
            foreach (KvPage? page in _pages[layer])
                fork._pages[layer].Add(page?.Share());
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
            _pages[layer].Clear();
            _length[layer] = 0;
        }
    }

    private static int RunLength(int row, int end) => Math.Min(end - row, KvLayout.RowsPerPage - row % KvLayout.RowsPerPage);

    private void Own(int layer, int page)
    {
        KvPage shared = _pages[layer][page]!;
        if (!shared.Shared)
            return;
        _pages[layer][page] = shared.Copy();
        shared.Release();
    }

    private void Drop(int layer, int page)
    {
        if (_pages[layer][page] is not { } held)
            return;
        held.Release();
        _pages[layer][page] = null;
        Bytes -= Layout.PageBytes;
    }
}
