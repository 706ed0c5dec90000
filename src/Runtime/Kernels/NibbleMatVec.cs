using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Retrieval.Runtime.Kernels;

/// <summary>
/// y = W x for one vector and four-bit rows, with neither shuffles nor shifts of the weights. Sixteen bytes are broadcast to the
/// four quarters of a register and each quarter masks another byte of every 32-bit lane, so the sixteen lanes hold the sixteen
/// low (or high) nibbles, quarter by quarter, times 2^0, 2^8, 2^16 or 2^24 (2^4 more for high ones). Conversion to float is
/// exact; the order and the powers of two are put into x once, before the rows. Scales multiply the sum of a group, offsets
/// the sum of a group's activations. Scales are taken to be finite.
/// </summary>
internal static unsafe class NibbleMatVec
{
    internal static bool IsSupported => Avx512F.IsSupported;

    /// <summary>Longest row: x in the kernel's order lies on the stack, 5 bytes an element with what goes with it.</summary>
    internal const int MaxColumns = 32768;

    /// <summary>Bytes of a packed row: 4 for each group of 32 elements, then the nibbles without the headers between them.</summary>
    internal static long RowBytes<TFormat>(int columns) where TFormat : INibbleFormat
        => columns / 32 * 4L + columns / TFormat.BlockSize * (long)(TFormat.BlockBytes - TFormat.HeaderBytes);

    /// <summary>
    /// Packs a row: what scales and offsets are made of first, so that sixteen groups' worth is one load, then all nibbles.
    /// Collecting the headers out of the blocks at every product took nearly as long as the multiplications.
    /// </summary>
    internal static void Pack<TFormat>(byte* row, int columns, byte* packed) where TFormat : INibbleFormat
    {
        int blocks = columns / TFormat.BlockSize, nibbles = TFormat.BlockBytes - TFormat.HeaderBytes;
        TFormat.CollectScales(row, (uint*)packed, blocks);
        packed += columns / 32 * 4;
        for (int block = 0; block < blocks; block++, row += TFormat.BlockBytes, packed += nibbles)
            Buffer.MemoryCopy(row + TFormat.HeaderBytes, packed, nibbles, nibbles);
    }

    /// <summary>y[r] = dot(W[r], x) for r in [0, rowCount).</summary>
    /// <param name="rows">[rowCount, rowBytes], packed; 64 bytes beyond the last row must be readable.</param>
    /// <param name="rowCount">Rows.</param>
    /// <param name="columns">A multiple of the block size, at most <see cref="MaxColumns"/>.</param>
    /// <param name="x">[columns].</param>
    /// <param name="y">[rowCount].</param>
    [SkipLocalsInit]
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void Multiply<TFormat>(byte* rows, int rowCount, int columns, float* x, float* y)
        where TFormat : INibbleFormat
    {
        long rowBytes = RowBytes<TFormat>(columns);
        int groups = columns / 32, blocks = columns / TFormat.BlockSize;
        int stride = (groups + 15) / 16 * 16;
        float* ordered = stackalloc float[columns + 16];
        // Loads of 64 bytes that straddle cache lines cost two.
        ordered = (float*)(((nuint)ordered + 63) & ~(nuint)63);
        float* sums = stackalloc float[stride];
        float* scales = stackalloc float[4 * stride];
        float* offsets = stackalloc float[4 * 16], last = stackalloc float[4];
        // Read from memory: where a mask is a constant, the compiler reads it again at every use.
        uint* masks = stackalloc uint[32];
        for (int i = 0; i < 16; i++)
        {
            masks[i] = 0x0Fu << i / 4 * 8;
            masks[i + 16] = 0xF0u << i / 4 * 8;
        }
        Order<TFormat>(x, ordered, columns);
        for (int g = 0; g < stride; g++)
            sums[g] = g < groups ? Vector512.Sum(Vector512.Load(x + g * 32) + Vector512.Load(x + g * 32 + 16)) : 0;

        for (int r = 0; r < rowCount; r += 4)
        {
            byte* row = rows + r * rowBytes;
            int some = Math.Min(4, rowCount - r);
            for (int k = 0; k < some; k++)
                TFormat.ConvertScales((uint*)(row + k * rowBytes), sums, scales + k * stride, groups).Store(offsets + k * 16);
            if (some == 4)
            {
                FourRows<TFormat>(row, rowBytes, ordered, scales, stride, blocks, masks, offsets, y + r);
                continue;
            }
            for (int k = 0; k < some; k++)
            {
                FourRows<TFormat>(row + k * rowBytes, 0, ordered, scales + k * stride, 0, blocks, masks, offsets + k * 16, last);
                y[r + k] = last[0];
            }
        }
    }

    /// <summary>x as the masks below find the weights: each sixteen transposed as 4 x 4, divided by the lanes' powers of two.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Order<TFormat>(float* x, float* ordered, int columns) where TFormat : INibbleFormat
    {
        Vector512<int> transpose = Vector512.Create(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
        const float A = 1f / (1 << 8), B = A * A, C = A * A * A;
        Vector512<float> low = Vector512.Create(1, 1, 1, 1, A, A, A, A, B, B, B, B, C, C, C, C);
        for (int i = 0; i < columns; i += 16)
        {
            Vector512<float> scale = i % (2 * TFormat.RunBytes) < TFormat.RunBytes ? low : low * (1f / 16);
            (Avx512F.PermuteVar16x32(Vector512.Load(x + i), transpose) * scale).Store(ordered + i);
        }
    }

    /// <summary>results[k] = sum of offsets[k] + dot(scales and nibbles of row k, x) for four rows.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static void FourRows<TFormat>(byte* w0, long rowBytes, float* x, float* d0, int stride, int blocks,
        uint* masks, float* offsets, float* results)
        where TFormat : INibbleFormat
    {
        Vector512<uint> low = Vector512.Load(masks), high = Vector512.Load(masks + 16);
        byte* w1 = w0 + rowBytes, w2 = w1 + rowBytes, w3 = w2 + rowBytes;
        float* d1 = d0 + stride, d2 = d1 + stride, d3 = d2 + stride;
        Vector512<float> s0 = Vector512.Load(offsets), s1 = Vector512.Load(offsets + 16);
        Vector512<float> s2 = Vector512.Load(offsets + 32), s3 = Vector512.Load(offsets + 48);
        long at = blocks * (TFormat.BlockSize / 32) * 4L, group = 0;
        byte* ahead = w0 + DirectMatVec.PrefetchBytes;
        for (int block = 0; block < blocks; block++)
        {
            if (TFormat.RunBytes == 16)
            {
                Sse.Prefetch0(ahead);
                Sse.Prefetch0(ahead + 64);
                ahead += 4 * TFormat.BlockBytes;
                Vector512<float> x0 = Vector512.Load(x), x1 = Vector512.Load(x + 16);
                s0 = Run16(w0 + at, low, high, x0, x1, d0 + group, s0);
                s1 = Run16(w1 + at, low, high, x0, x1, d1 + group, s1);
                s2 = Run16(w2 + at, low, high, x0, x1, d2 + group, s2);
                s3 = Run16(w3 + at, low, high, x0, x1, d3 + group, s3);
                at += 16;
                x += 32;
                group++;
                continue;
            }
            for (int i = 0; i < TFormat.BlockSize; i += 64)
            {
                Sse.Prefetch0(ahead);
                Sse.Prefetch0(ahead + 64);
                ahead += 144;
                Vector512<float> x0 = Vector512.Load(x), x1 = Vector512.Load(x + 16);
                Vector512<float> x2 = Vector512.Load(x + 32), x3 = Vector512.Load(x + 48);
                s0 = Run32(w0 + at, low, high, x0, x1, x2, x3, d0 + group, s0);
                s1 = Run32(w1 + at, low, high, x0, x1, x2, x3, d1 + group, s1);
                s2 = Run32(w2 + at, low, high, x0, x1, x2, x3, d2 + group, s2);
                s3 = Run32(w3 + at, low, high, x0, x1, x2, x3, d3 + group, s3);
                at += 32;
                x += 64;
                group += 2;
            }
        }
        DotTile.Sums(s0, s1, s2, s3).Store(results);
    }

    /// <summary>One group: 16 low nibbles, then the same bytes' high ones.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Run16(byte* w, Vector512<uint> low, Vector512<uint> high,
        Vector512<float> x0, Vector512<float> x1, float* scale, Vector512<float> sum)
    {
        Vector512<uint> v = Avx512F.BroadcastVector128ToVector512((uint*)w);
        Vector512<float> group = Vector512.ConvertToSingle(v & low) * x0;
        group = Vector512.FusedMultiplyAdd(Vector512.ConvertToSingle(v & high), x1, group);
        return Vector512.FusedMultiplyAdd(Vector512.Create(*scale), group, sum);
    }

    /// <summary>Two groups: 32 low nibbles, then the same bytes' high ones.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Run32(byte* w, Vector512<uint> low, Vector512<uint> high, Vector512<float> x0, Vector512<float> x1,
        Vector512<float> x2, Vector512<float> x3, float* scale, Vector512<float> sum)
    {
        Vector512<uint> v = Avx512F.BroadcastVector128ToVector512((uint*)w);
        Vector512<uint> u = Avx512F.BroadcastVector128ToVector512((uint*)w + 4);
        Vector512<float> group = Vector512.ConvertToSingle(v & low) * x0;
        group = Vector512.FusedMultiplyAdd(Vector512.ConvertToSingle(u & low), x1, group);
        sum = Vector512.FusedMultiplyAdd(Vector512.Create(scale[0]), group, sum);
        group = Vector512.ConvertToSingle(v & high) * x2;
        group = Vector512.FusedMultiplyAdd(Vector512.ConvertToSingle(u & high), x3, group);
        return Vector512.FusedMultiplyAdd(Vector512.Create(scale[1]), group, sum);
    }
}
