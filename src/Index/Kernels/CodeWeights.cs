using System.Numerics;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Retrieval.Index.Kernels;

/// <summary>Attention weights of rows from the logits that <see cref="CodeScan"/> made of their codes.</summary>
public static unsafe class CodeWeights
{
    // A weight relative to the whole attention is near 1 at most unless a code misleads; exp(40) leaves room for sums of squares.
    private const float Highest = 40;

    /// <summary>Reference. As <see cref="Compute"/>.</summary>
    public static void ComputeReference(float* logits, int stride, int rows, int group, float* shifts, float* weights, int weightStride, float* groupWeights, float* totals)
    {
        new Span<float>(groupWeights, rows).Clear();
        for (int g = 0; g < group; g++)
        {
            for (int r = 0; r < rows; r++)
            {
                float weight = VectorExp.Exp(MathF.Min(logits[(long)g * stride + r] - shifts[g], Highest));
                weights[(long)g * weightStride + r] = weight;
                groupWeights[r] += weight;
                if (totals != null)
                    totals[g] += weight;
            }
        }
    }

    /// <summary>Weights exp(logit − shift), within 4e-6 of themselves, and their sums over the group and over the rows.</summary>
    /// <param name="logits">[group, stride]</param>
    /// <param name="rows">A multiple of 16 for the fast path.</param>
    /// <param name="shifts">[group]</param>
    /// <param name="weights">[group, weightStride]; may be the logits.</param>
    /// <param name="groupWeights">[rows]: Σ_g weights[g, r].</param>
    /// <param name="totals">[group], added to: Σ_r weights[g, r]; null: not wanted.</param>
    public static void Compute(float* logits, int stride, int rows, int group, float* shifts, float* weights, int weightStride, float* groupWeights, float* totals)
    {
        if (!Vector256.IsHardwareAccelerated || rows % 16 != 0)
        {
            ComputeReference(logits, stride, rows, group, shifts, weights, weightStride, groupWeights, totals);
            return;
        }
        Vector512<float> highest = Vector512.Create(Highest);
        for (int g = 0; g < group; g++)
        {
            Vector512<float> total = default, shift = Vector512.Create(shifts[g]);
            float* source = logits + (long)g * stride, target = weights + (long)g * weightStride;
            for (int r = 0; r < rows; r += 16)
            {
                Vector512<float> weight = VectorExp.Approximate(Vector512.Min(Vector512.Load(source + r) - shift, highest));
                weight.Store(target + r);
                total += weight;
                (g == 0 ? weight : weight + Vector512.Load(groupWeights + r)).Store(groupWeights + r);
            }
            if (totals != null)
                totals[g] += Vector512.Sum(total);
        }
    }

    /// <summary>The largest of some logits; −∞ of none.</summary>
    public static float Largest(float* logits, int count)
    {
        float largest = float.NegativeInfinity;
        int i = 0;
        if (Vector256.IsHardwareAccelerated)
        {
            // Two, so that comparisons do not wait for one another.
            Vector512<float> all = Vector512.Create(largest), second = all;
            for (; i <= count - 32; i += 32)
            {
                all = Vector512.MaxNative(all, Vector512.Load(logits + i));
                second = Vector512.MaxNative(second, Vector512.Load(logits + i + 16));
            }
            for (; i <= count - 16; i += 16)
                all = Vector512.MaxNative(all, Vector512.Load(logits + i));
            all = Vector512.MaxNative(all, second);
            Vector256<float> half = Vector256.MaxNative(all.GetLower(), all.GetUpper());
            Vector128<float> quarter = Vector128.MaxNative(half.GetLower(), half.GetUpper());
            largest = MathF.Max(MathF.Max(quarter[0], quarter[1]), MathF.Max(quarter[2], quarter[3]));
        }
        for (; i < count; i++)
            largest = MathF.Max(largest, logits[i]);
        return largest;
    }

    /// <summary>The sum of a list's weights.</summary>
    public static float Sum(float* weights, int rows)
    {
        float sum = 0;
        int i = 0;
        // Most lists have a few rows only.
        if (rows >= 16 && Vector256.IsHardwareAccelerated)
        {
            Vector512<float> total = default;
            for (; i <= rows - 16; i += 16)
                total += Vector512.Load(weights + i);
            sum = Vector512.Sum(total);
        }
        for (; i < rows; i++)
            sum += weights[i];
        return sum;
    }

    /// <summary>Reference. As <see cref="Gather"/>.</summary>
    public static int GatherReference(float* scores, float threshold, float* weights, int rows, float* target)
    {
        int found = 0;
        for (int i = 0; i < rows; i++)
        {
            if (scores[i] >= threshold)
                target[found++] = weights[i];
        }
        return found;
    }

    /// <summary>The weights of the rows whose score is at least a threshold, one after another.</summary>
    /// <param name="target">Room for <paramref name="rows"/>; undefined behind what was found. May be the weights.</param>
    /// <returns>How many.</returns>
    public static int Gather(float* scores, float threshold, float* weights, int rows, float* target)
    {
        int found = 0, i = 0;
        if (Avx512F.IsSupported)
        {
            Vector512<float> limit = Vector512.Create(threshold);
            for (; i <= rows - 16; i += 16)
            {
                Vector512<float> mask = Vector512.GreaterThanOrEqual(Vector512.Load(scores + i), limit);
                Avx512F.Compress(Vector512<float>.Zero, mask, Vector512.Load(weights + i)).Store(target + found);
                found += BitOperations.PopCount(mask.ExtractMostSignificantBits());
            }
        }
        return found + GatherReference(scores + i, threshold, weights + i, rows - i, target + found);
    }
}
