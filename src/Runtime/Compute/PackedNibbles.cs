using System.Runtime.InteropServices;
using Retrieval.Index;
using Retrieval.Runtime.Kernels;
using Retrieval.Runtime.Models;

namespace Retrieval.Runtime.Compute;

/// <summary>
/// A four-bit weight matrix in the order in which <see cref="NibbleMatVec"/> reads it: the same bits (a ninth more for Q4_0 and
/// Q4_K), copied once when the model is loaded. The checkpoint's own pages go back to the operating system until prefill, which
/// converts whole layers, reads them again.
/// </summary>
internal sealed unsafe class PackedNibbles : IDisposable
{
    // The kernel reads scales sixteen at a time.
    private const int Overread = 64;

    private readonly TensorType _type;
    private readonly int _columns;
    private readonly long _rowBytes;
    private byte* _data;

    private PackedNibbles(Weight weight, long rowBytes)
    {
        _type = weight.Type;
        _columns = weight.Columns;
        _rowBytes = rowBytes;
        Bytes = weight.Rows * rowBytes + Overread;
        _data = (byte*)NativeMemory.AlignedAlloc((nuint)Bytes, 64);
        new Span<byte>(_data + weight.Rows * rowBytes, Overread).Clear();
    }

    public long Bytes { get; }

    /// <summary>Is there a kernel for packed rows of this weight on this processor?</summary>
    public static bool CanPack(Weight weight) => NibbleMatVec.IsSupported && weight.Columns <= NibbleMatVec.MaxColumns
        && weight.Type is TensorType.Q4_0 or TensorType.Q4_1 or TensorType.Q4_K;

    public static PackedNibbles Pack(Weight weight, WorkerPool workers) => weight.Type switch
    {
        TensorType.Q4_0 => Pack<Q4_0>(weight, workers),
        TensorType.Q4_1 => Pack<Q4_1>(weight, workers),
        _ => Pack<Q4_K>(weight, workers),
    };

    /// <summary>y[r] = dot(W[r], x) for r in [first, first + count).</summary>
    public void Multiply(int first, int count, float* x, float* y)
    {
        byte* rows = _data + first * _rowBytes;
        switch (_type)
        {
            case TensorType.Q4_0: NibbleMatVec.Multiply<Q4_0>(rows, count, _columns, x, y + first); break;
            case TensorType.Q4_1: NibbleMatVec.Multiply<Q4_1>(rows, count, _columns, x, y + first); break;
            default: NibbleMatVec.Multiply<Q4_K>(rows, count, _columns, x, y + first); break;
        }
    }

    public void Dispose()
    {
        NativeMemory.AlignedFree(_data);
        _data = null;
    }

    private static PackedNibbles Pack<TFormat>(Weight weight, WorkerPool workers) where TFormat : INibbleFormat
    {
        var packed = new PackedNibbles(weight, NibbleMatVec.RowBytes<TFormat>(weight.Columns));
        workers.For(weight.Rows, 64, (_, begin, end) =>
        {
            for (int row = begin; row < end; row++)
                NibbleMatVec.Pack<TFormat>(weight.Data + row * weight.RowBytes, weight.Columns, packed._data + row * packed._rowBytes);
        });
        Checkpoint.Release(weight.Stored);
        return packed;
    }
}
