using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Retrieval.Runtime.Kernels;

/// <summary>y = W x for one vector: four rows at a time, each step's weights used as they are unpacked.</summary>
internal static unsafe class DirectMatVec
{
    /// <summary>
    /// How far ahead rows are asked for. The hardware stops at pages of 4 KB; measured over matrices far larger than the
    /// caches, 8 KB was 30 to 60 % faster than none (four-bit rows of 576 to 2048 elements, medians), 1 KB at most 10 %.
    /// </summary>
    internal const int PrefetchBytes = 8192;

    /// <summary>y[r] = dot(W[r], x) for r in [0, rowCount).</summary>
    /// <param name="rows">[rowCount, rowBytes].</param>
    /// <param name="rowBytes">Bytes from row to row.</param>
    /// <param name="rowCount">Rows.</param>
    /// <param name="columns">A multiple of the block size.</param>
    /// <param name="x">[columns].</param>
    /// <param name="y">[rowCount].</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void Multiply<TFormat>(byte* rows, long rowBytes, int rowCount, int columns, float* x, float* y)
        where TFormat : IDirectFormat
    {
        int r = 0;
        for (; r <= rowCount - 4; r += 4)
            FourRows<TFormat>(rows + r * rowBytes, rowBytes, columns, x, y + r);
        float* last = stackalloc float[4];
        for (; r < rowCount; r++)
        {
            FourRows<TFormat>(rows + r * rowBytes, 0, columns, x, last);
            y[r] = last[0];
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static void FourRows<TFormat>(byte* w0, long rowBytes, int columns, float* x, float* y) where TFormat : IDirectFormat
    {
        byte* w1 = w0 + rowBytes, w2 = w1 + rowBytes, w3 = w2 + rowBytes, ahead = w0 + PrefetchBytes;
        Vector512<float> s0 = default, s1 = default, s2 = default, s3 = default;
        long at = 0;
        int i = 0;
        for (; i <= columns - TFormat.StepSize; i += TFormat.StepSize)
        {
            if (Sse.IsSupported)
            {
                for (int line = 0; line < 4 * TFormat.StepBytes; line += 64)
                    Sse.Prefetch0(ahead + line);
                ahead += 4 * TFormat.StepBytes;
            }
            s0 = TFormat.MultiplyAdd(w0 + at, x + i, s0);
            s1 = TFormat.MultiplyAdd(w1 + at, x + i, s1);
            s2 = TFormat.MultiplyAdd(w2 + at, x + i, s2);
            s3 = TFormat.MultiplyAdd(w3 + at, x + i, s3);
            at += TFormat.StepBytes;
        }
        DotTile.Sums(s0, s1, s2, s3).Store(y);
        if (i < columns)
            Tail<TFormat>(w0 + at, rowBytes, columns - i, x + i, y);
    }

    /// <summary>Formats of single elements: the last fifteen or fewer.</summary>
    private static void Tail<TFormat>(byte* rows, long rowBytes, int count, float* x, float* y) where TFormat : IDirectFormat
    {
        float* values = stackalloc float[16];
        for (int k = 0; k < 4; k++)
        {
            TFormat.Dequantize(rows + k * rowBytes, values, count);
            for (int i = 0; i < count; i++)
                y[k] += values[i] * x[i];
        }
    }
}
