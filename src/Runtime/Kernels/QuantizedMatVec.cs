using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Retrieval.Runtime.Models;

namespace Retrieval.Runtime.Kernels;

/// <summary>
/// y = W x for small batches, reading quantised rows as they lie in the checkpoint, so that a decode step moves the file's
/// bytes and no more. Activations and sums are float32: nothing is rounded but by float32 arithmetic. One vector goes to
/// <see cref="DirectMatVec"/> if the format has one; all else through tiles of float32 in L1.
/// </summary>
internal static unsafe class QuantizedMatVec
{
    /// <summary>Most vectors of a call; above that a GEMM over dequantised rows is faster.</summary>
    internal const int MaxBatch = 16;

    /// <summary>Four rows of this many float32 are 16 KB, half of L1; a multiple of every block size.</summary>
    private const int TileColumns = 1024;

    /// <summary>y[b * yStride + r] = dot(W[r], x[b]) for r in [firstRow, firstRow + rowCount) and b in [0, batch).</summary>
    /// <param name="type">Format of the rows.</param>
    /// <param name="weights">Row 0 of W.</param>
    /// <param name="rowBytes">Bytes from row to row.</param>
    /// <param name="firstRow">First row to compute: callers give each worker its range.</param>
    /// <param name="rowCount">Rows to compute.</param>
    /// <param name="columns">Elements of a row, a multiple of the format's block size.</param>
    /// <param name="x">[batch, xStride], of which <paramref name="columns"/> are read.</param>
    /// <param name="xStride">Elements from vector to vector.</param>
    /// <param name="batch">1..<see cref="MaxBatch"/>.</param>
    /// <param name="y">[batch, yStride], written at [b, r]; other elements stay as they are.</param>
    /// <param name="yStride">Elements from one vector's results to the next's.</param>
    internal static void Multiply(TensorType type, byte* weights, long rowBytes, int firstRow, int rowCount, int columns,
        float* x, int xStride, int batch, float* y, int yStride)
    {
        Debug.Assert(columns % WeightFormats.BlockSize(type) == 0 && batch is >= 1 and <= MaxBatch);
        if (!Vector128.IsHardwareAccelerated)
        {
            MultiplyReference(type, weights, rowBytes, firstRow, rowCount, columns, x, xStride, batch, y, yStride);
            return;
        }
        byte* rows = weights + firstRow * rowBytes;
        y += firstRow;
        if (batch == 1)
        {
            switch (type)
            {
                case TensorType.F32: DirectMatVec.Multiply<F32>(rows, rowBytes, rowCount, columns, x, y); return;
                case TensorType.F16: DirectMatVec.Multiply<F16>(rows, rowBytes, rowCount, columns, x, y); return;
                case TensorType.BF16: DirectMatVec.Multiply<BF16>(rows, rowBytes, rowCount, columns, x, y); return;
                case TensorType.Q8_0: DirectMatVec.Multiply<Q8_0>(rows, rowBytes, rowCount, columns, x, y); return;
                case TensorType.Q6_K: DirectMatVec.Multiply<Q6_K>(rows, rowBytes, rowCount, columns, x, y); return;
            }
        }
        switch (type)
        {
            case TensorType.F32: Multiply<F32>(rows, rowBytes, rowCount, columns, x, xStride, batch, y, yStride); break;
            case TensorType.F16: Multiply<F16>(rows, rowBytes, rowCount, columns, x, xStride, batch, y, yStride); break;
            case TensorType.BF16: Multiply<BF16>(rows, rowBytes, rowCount, columns, x, xStride, batch, y, yStride); break;
            case TensorType.Q4_0: Multiply<Q4_0>(rows, rowBytes, rowCount, columns, x, xStride, batch, y, yStride); break;
            case TensorType.Q4_1: Multiply<Q4_1>(rows, rowBytes, rowCount, columns, x, xStride, batch, y, yStride); break;
            case TensorType.Q5_0: Multiply<Q5_0>(rows, rowBytes, rowCount, columns, x, xStride, batch, y, yStride); break;
            case TensorType.Q5_1: Multiply<Q5_1>(rows, rowBytes, rowCount, columns, x, xStride, batch, y, yStride); break;
            case TensorType.Q8_0: Multiply<Q8_0>(rows, rowBytes, rowCount, columns, x, xStride, batch, y, yStride); break;
            case TensorType.Q2_K: Multiply<Q2_K>(rows, rowBytes, rowCount, columns, x, xStride, batch, y, yStride); break;
            case TensorType.Q3_K: Multiply<Q3_K>(rows, rowBytes, rowCount, columns, x, xStride, batch, y, yStride); break;
            case TensorType.Q4_K: Multiply<Q4_K>(rows, rowBytes, rowCount, columns, x, xStride, batch, y, yStride); break;
            case TensorType.Q5_K: Multiply<Q5_K>(rows, rowBytes, rowCount, columns, x, xStride, batch, y, yStride); break;
            case TensorType.Q6_K: Multiply<Q6_K>(rows, rowBytes, rowCount, columns, x, xStride, batch, y, yStride); break;
            case TensorType.IQ4_NL: Multiply<IQ4_NL>(rows, rowBytes, rowCount, columns, x, xStride, batch, y, yStride); break;
            case TensorType.IQ4_XS: Multiply<IQ4_XS>(rows, rowBytes, rowCount, columns, x, xStride, batch, y, yStride); break;
            default: throw WeightFormats.Unknown(type);
        }
    }

    /// <summary>The definition: scalar dequantisation, sums in double. Parameters as for <see cref="Multiply"/>.</summary>
    internal static void MultiplyReference(TensorType type, byte* weights, long rowBytes, int firstRow, int rowCount, int columns,
        float* x, int xStride, int batch, float* y, int yStride)
    {
        int size = WeightFormats.BlockSize(type), bytes = WeightFormats.BlockBytes(type);
        float* block = stackalloc float[size];
        double* sums = stackalloc double[batch];
        for (int r = firstRow; r < firstRow + rowCount; r++)
        {
            new Span<double>(sums, batch).Clear();
            for (int i = 0; i < columns; i += size)
            {
                WeightFormats.DequantizeReference(type, weights + r * rowBytes + (long)(i / size) * bytes, block, size);
                for (int b = 0; b < batch; b++)
                {
                    for (int j = 0; j < size; j++)
                        sums[b] += (double)block[j] * x[(long)b * xStride + i + j];
                }
            }
            for (int b = 0; b < batch; b++)
                y[(long)b * yStride + r] = (float)sums[b];
        }
    }

    /// <summary>Any format, any batch: four rows by a tile of columns at a time, dequantised into L1 and multiplied there.</summary>
    [SkipLocalsInit]
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Multiply<TFormat>(byte* rows, long rowBytes, int rowCount, int columns,
        float* x, int xStride, int batch, float* y, int yStride) where TFormat : IWeightFormat
    {
        // Sixteen floats more a row keep the four rows off the same cache sets.
        const int Stride = TileColumns + 16;
        float* tile = stackalloc float[4 * Stride];
        for (int r = 0; r < rowCount;)
        {
            int group = rowCount - r >= 4 ? 4 : 1;
            for (int b = 0; b < batch; b++)
                new Span<float>(y + (long)b * yStride + r, group).Clear();
            for (int i = 0; i < columns; i += TileColumns)
            {
                int length = Math.Min(TileColumns, columns - i);
                long at = (long)(i / TFormat.BlockSize) * TFormat.BlockBytes;
                for (int k = 0; k < group; k++)
                    TFormat.Dequantize(rows + (r + k) * rowBytes + at, tile + k * Stride, length);
                if (group == 4)
                    DotTile.FourRows(tile, Stride, x + i, xStride, length, batch, y + r, yStride);
                else
                    DotTile.OneRow(tile, x + i, xStride, length, batch, y + r, yStride);
            }
            r += group;
        }
    }
}
