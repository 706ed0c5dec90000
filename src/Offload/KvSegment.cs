using Retrieval.Index;

namespace Retrieval.Offload;

/// <summary>
/// Packed rows [First, First + Count) of one layer. Each KV head has them in an order of its own, list after list of its index:
/// a row number in this range names a <em>place</em> of that order and not a position. Immutable and shared by forks.
/// </summary>
public sealed unsafe class KvSegment
{
    // Rows that are read together: they stay in the nearest cache until they are written.
    private const int Tile = 16;

    private readonly KvLayout _layout;
    private readonly ushort[][] _orders;
    private readonly RowArena.Piece _memory;
    private int _owners = 1;

    private KvSegment(KvLayout layout, int first, ushort[][] orders, RowArena arena)
    {
        (_layout, First, Count, _orders) = (layout, first, orders[0].Length, orders);
        Bytes = layout.KvHeads * HeadBytes;
        _memory = arena.Take(Bytes);
    }

    public int First { get; }

    public int Count { get; }

    public int End => First + Count;

    /// <summary>Bytes of the rows.</summary>
    public long Bytes { get; }

    // The rows of a head, in whole cache lines.
    private long HeadBytes => (PackedRows.Bytes(Count, _layout.HeadDim, Halves) + RowArena.Alignment - 1) / RowArena.Alignment * RowArena.Alignment;

    private bool Halves => _layout.Format == RowFormat.F16;

    /// <summary>Place → row − First in the order of arrival.</summary>
    public ReadOnlySpan<ushort> Order(int head) => _orders[head];

    /// <summary>The rows of a head.</summary>
    public PackedRows Rows(int head) => new((nint)(_memory.Data + head * HeadBytes), _layout.HeadDim, Halves);

    /// <summary>Packs rows of a store.</summary>
    /// <param name="orders">[kvHeads][count], permutations of 0 … count − 1.</param>
    /// <param name="arena">Where the packed rows will lie.</param>
    /// <param name="workers">Take the heads between them; null: the calling thread takes all.</param>
    internal static KvSegment Pack(KvStore store, int layer, int first, ushort[][] orders, RowArena arena, WorkerPool? workers)
    {
        var segment = new KvSegment(store.Layout, first, orders, arena);
        try
        {
            if (workers is null)
            {
                for (int head = 0; head < orders.Length; head++)
                    segment.PackHead(store, layer, head);
            }
            else
            {
                workers.For(orders.Length, 1, (_, head, _) => segment.PackHead(store, layer, head));
            }
        }
        catch
        {
            segment.Release();
            throw;
        }
        return segment;
    }

    internal KvSegment Share()
    {
        Interlocked.Increment(ref _owners);
        return this;
    }

    internal void Release()
    {
        if (Interlocked.Decrement(ref _owners) > 0)
            return;
        _memory.GiveBack();
    }

    /// <summary>Reads rows as they arrived, page after page, and writes each to its place.</summary>
    private void PackHead(KvStore store, int layer, int head)
    {
        int dim = _layout.HeadDim;
        ushort[] order = _orders[head], places = new ushort[Count];
        for (int place = 0; place < order.Length; place++)
            places[order[place]] = (ushort)place;
        PackedRows target = Rows(head);
        float* keys = stackalloc float[Tile * dim], values = stackalloc float[Tile * dim];
        for (int row = 0; row < Count; row += Tile)
        {
            int some = Math.Min(Tile, Count - row);
            store.ReadPackedKeys(layer, head, First + row, some, keys);
            store.ReadValues(layer, head, First + row, some, values);
            for (int i = 0; i < some; i++)
                target.Write(places[row + i], keys + i * dim, values + i * dim);
        }
    }
}
