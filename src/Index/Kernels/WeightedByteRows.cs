using System.Numerics;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Retrieval.Index.Kernels;

/// <summary>Weighted sums of scattered rows of signed bytes for a group of heads, without widening them to memory: values of lists and of chosen rows.</summary>
public static unsafe class WeightedByteRows
{
    // Rows that are asked for before they are read.
    private const int Ahead = 128;

    /// <summary>Rows of a panel: their scales stand before them.</summary>
    public const int PanelRows = ByteColumns.Lanes;

    private const int ScaleBytes = PanelRows * sizeof(float);

    /// <summary>Reference. As <see cref="Take"/>.</summary>
    public static int TakeReference(
        float* worth, float threshold, byte* memory, int* panels, int count, int rowBytes, float* weights, int stride, int group, int* offsets, float* taken, int takenStride, float* left)
    {
        int found = 0;
        for (int i = 0; i < count * PanelRows; i++)
        {
            for (int g = 0; g < group && worth[i] < threshold; g++)
                left[g] += weights[(long)g * stride + i];
            if (worth[i] < threshold)
                continue;
            int panel = panels[i / PanelRows], row = i % PanelRows;
            offsets[found] = panel + ScaleBytes + row * rowBytes;
            for (int g = 0; g < group; g++)
                taken[(long)g * takenStride + found] = weights[(long)g * stride + i] * ((float*)(memory + panel))[row];
            found++;
        }
        return found;
    }

    /// <summary>Offsets and weights for <see cref="Accumulate"/> of those rows of some panels that are worth a threshold.</summary>
    /// <param name="worth">[16 count]</param>
    /// <param name="memory">What offsets are relative to.</param>
    /// <param name="panels">[count]: where each panel begins: sixteen scales, then sixteen rows.</param>
    /// <param name="weights">[group, stride]</param>
    /// <param name="offsets">[16 count]: what follows those that were found is overwritten; so in each row of taken.</param>
    /// <param name="taken">[group, takenStride]: weights, scales of the rows included.</param>
    /// <param name="left">[group], added to: the weights of the other rows.</param>
    /// <returns>How many.</returns>
    public static int Take(
        float* worth, float threshold, byte* memory, int* panels, int count, int rowBytes, float* weights, int stride, int group, int* offsets, float* taken, int takenStride, float* left)
    {
        if (!Avx512F.IsSupported)
            return TakeReference(worth, threshold, memory, panels, count, rowBytes, weights, stride, group, offsets, taken, takenStride, left);
        int found = 0;
        Vector512<float>* sums = stackalloc Vector512<float>[group];
        Vector512<float> least = Vector512.Create(threshold);
        Vector512<int> rows = Vector512<int>.Indices * rowBytes + Vector512.Create(ScaleBytes);
        for (int k = 0, i = 0; k < count; k++, i += PanelRows)
        {
            Vector512<float> mask = Vector512.GreaterThanOrEqual(Vector512.Load(worth + i), least), scale = Vector512.Load((float*)(memory + panels[k]));
            Avx512F.Compress(Vector512<int>.Zero, mask.AsInt32(), rows + Vector512.Create(panels[k])).Store(offsets + found);
            for (int g = 0; g < group; g++)
            {
                Vector512<float> weight = Vector512.Load(weights + (long)g * stride + i);
                Avx512F.Compress(Vector512<float>.Zero, mask, weight * scale).Store(taken + (long)g * takenStride + found);
                sums[g] += Vector512.AndNot(weight, mask);
            }
            found += BitOperations.PopCount(mask.ExtractMostSignificantBits());
        }
        for (int g = 0; g < group; g++)
            left[g] += Vector512.Sum(sums[g]);
        return found;
    }

    /// <summary>Reference. As <see cref="Accumulate"/>.</summary>
    public static void AccumulateReference<TOffset>(
        sbyte* rows, TOffset* offsets, int count, int dim, float* weights, int weightStride, int group, float* output)
        where TOffset : unmanaged, IBinaryInteger<TOffset>
    {
        for (int c = 0; c < count; c++)
        {
            for (int g = 0; g < group; g++)
            {
                for (int i = 0; i < dim; i++)
                    output[g * dim + i] = MathF.FusedMultiplyAdd(weights[(long)g * weightStride + c], rows[nint.CreateTruncating(offsets[c]) + i], output[g * dim + i]);
            }
        }
    }

    /// <summary>output[g, i] += Σ_c weights[g, c] · rows[offsets[c] + i].</summary>
    /// <param name="offsets">[count]: where each row begins; addresses if rows is null.</param>
    /// <param name="weights">[group, weightStride], scales of the rows included.</param>
    /// <param name="output">[group, dim]</param>
    public static void Accumulate<TOffset>(sbyte* rows, TOffset* offsets, int count, int dim, float* weights, int weightStride, int group, float* output)
        where TOffset : unmanaged, IBinaryInteger<TOffset>
    {
        if (!Vector256.IsHardwareAccelerated || dim % 16 != 0)
        {
            AccumulateReference(rows, offsets, count, dim, weights, weightStride, group, output);
            return;
        }
        for (int i = 0; i < dim;)
        {
            int g = 0, width = dim - i >= 64 ? 64 : 16;
            for (; width == 64 && g <= group - 3; g += 3)
                Three(rows + i, offsets, count, dim, weights + (long)g * weightStride, weightStride, output + g * dim + i);
            for (; g < group; g++)
            {
                for (int column = i; column < i + width; column += 16)
                    One(rows + column, offsets, count, weights + (long)g * weightStride, output + g * dim + column);
            }
            i += width;
        }
    }

    private static void Three<TOffset>(sbyte* rows, TOffset* offsets, int count, int dim, float* weights, int weightStride, float* output)
        where TOffset : unmanaged, IBinaryInteger<TOffset>
    {
        float* second = output + dim, third = second + dim;
        Vector512<float> a0 = Vector512.Load(output), a1 = Vector512.Load(output + 16), a2 = Vector512.Load(output + 32), a3 = Vector512.Load(output + 48);
        Vector512<float> b0 = Vector512.Load(second), b1 = Vector512.Load(second + 16), b2 = Vector512.Load(second + 32), b3 = Vector512.Load(second + 48);
        Vector512<float> c0 = Vector512.Load(third), c1 = Vector512.Load(third + 16), c2 = Vector512.Load(third + 32), c3 = Vector512.Load(third + 48);
        for (int c = 0; Sse.IsSupported && c < Math.Min(Ahead, count); c++)
            Sse.Prefetch1(rows + nint.CreateTruncating(offsets[c]));
        for (int c = 0; c < count; c++)
        {
            if (Sse.IsSupported && c + Ahead < count)
                Sse.Prefetch1(rows + nint.CreateTruncating(offsets[c + Ahead]));
            sbyte* bytes = rows + nint.CreateTruncating(offsets[c]);
            float* weight = weights + c;
            Vector512<float> v0 = ByteColumns.Widen(bytes), v1 = ByteColumns.Widen(bytes + 16), v2 = ByteColumns.Widen(bytes + 32), v3 = ByteColumns.Widen(bytes + 48);
            Vector512<float> x = Vector512.Create(weight[0]), y = Vector512.Create(weight[weightStride]), z = Vector512.Create(weight[2L * weightStride]);
            a0 = Vector512.FusedMultiplyAdd(x, v0, a0);
            a1 = Vector512.FusedMultiplyAdd(x, v1, a1);
            a2 = Vector512.FusedMultiplyAdd(x, v2, a2);
            a3 = Vector512.FusedMultiplyAdd(x, v3, a3);
            b0 = Vector512.FusedMultiplyAdd(y, v0, b0);
            b1 = Vector512.FusedMultiplyAdd(y, v1, b1);
            b2 = Vector512.FusedMultiplyAdd(y, v2, b2);
            b3 = Vector512.FusedMultiplyAdd(y, v3, b3);
            c0 = Vector512.FusedMultiplyAdd(z, v0, c0);
            c1 = Vector512.FusedMultiplyAdd(z, v1, c1);
            c2 = Vector512.FusedMultiplyAdd(z, v2, c2);
            c3 = Vector512.FusedMultiplyAdd(z, v3, c3);
        }
        ByteColumns.Store(output, a0, a1, a2, a3);
        ByteColumns.Store(second, b0, b1, b2, b3);
        ByteColumns.Store(third, c0, c1, c2, c3);
    }

    private static void One<TOffset>(sbyte* rows, TOffset* offsets, int count, float* weights, float* output)
        where TOffset : unmanaged, IBinaryInteger<TOffset>
    {
        Vector512<float> sum = Vector512.Load(output);
        for (int c = 0; c < count; c++)
            sum = Vector512.FusedMultiplyAdd(Vector512.Create(weights[c]), ByteColumns.Widen(rows + nint.CreateTruncating(offsets[c])), sum);
        sum.Store(output);
    }
}
