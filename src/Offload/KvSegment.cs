using System.Runtime.InteropServices;
using Retrieval.Index;
using Retrieval.Index.Kernels;

namespace Retrieval.Offload;

/// <summary>
/// Packed rows [First, First + Count) of one layer. Each KV head has them in an order of its own, list after list of its index:
/// a row number in this range names a <em>place</em> of that order and not a position. Immutable and shared by forks.
/// </summary>
public sealed unsafe class KvSegment
{
    private const int Alignment = 64;

    private readonly KvLayout _layout;
    private readonly ushort[][] _orders;
    private readonly byte* _memory;
    private int _owners = 1;

    private KvSegment(KvLayout layout, int first, ushort[][] orders)
    {
        (_layout, First, Count, _orders) = (layout, first, orders[0].Length, orders);
        Bytes = 2L * layout.KvHeads * PartBytes;
        _memory = (byte*)NativeMemory.AlignedAlloc((nuint)Bytes, Alignment);
        GC.AddMemoryPressure(Bytes);
    }

    public int First { get; }

    public int Count { get; }

    public int End => First + Count;

    /// <summary>Bytes of the rows.</summary>
    public long Bytes { get; }

    // Rows of a head, then their scales, in whole cache lines.
    private long PartBytes => ((long)Count * _layout.PackedRowBytes + Alignment - 1) / Alignment * Alignment;

    /// <summary>Place → row − First in the order of arrival.</summary>
    public ReadOnlySpan<ushort> Order(int head) => _orders[head];

    /// <summary>The rows of a head.</summary>
    public PackedRows Rows(int head)
    {
        byte* keys = Part(2 * head), values = Part(2 * head + 1);
        long scales = (long)Count * _layout.HeadDim;
        return _layout.Format == RowFormat.F16
            ? new PackedRows((nint)keys, 0, (nint)values, 0, _layout.HeadDim)
            : new PackedRows((nint)keys, (nint)(keys + scales), (nint)values, (nint)(values + scales), _layout.HeadDim);
    }

    /// <summary>Packs rows of a store.</summary>
    /// <param name="orders">[kvHeads][count], permutations of 0 … count − 1.</param>
    internal static KvSegment Pack(KvStore store, int layer, int first, ushort[][] orders)
    {
        var segment = new KvSegment(store.Layout, first, orders);
        int dim = store.Layout.HeadDim, count = segment.Count;
        float* row = stackalloc float[dim];
        for (int head = 0; head < orders.Length; head++)
        {
            PackedRows target = segment.Rows(head);
            for (int place = 0; place < count; place++)
            {
                store.ReadKeys(layer, head, first + orders[head][place], 1, row);
                Write(row, target.Keys, target.KeyScales, place, dim);
                store.ReadValues(layer, head, first + orders[head][place], 1, row);
                Write(row, target.Values, target.ValueScales, place, dim);
            }
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
        NativeMemory.AlignedFree(_memory);
        GC.RemoveMemoryPressure(Bytes);
    }

    private static void Write(float* row, nint rows, nint scales, int place, int dim)
    {
        if (scales == 0)
            HalfRow.Narrow(row, (ushort*)rows + (long)place * dim, dim);
        else
            ((Half*)scales)[place] = (Half)ByteRow.Narrow(row, (sbyte*)rows + (long)place * dim, dim);
    }

    private byte* Part(int part) => _memory + part * PartBytes;
}
