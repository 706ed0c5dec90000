using System.Runtime.Intrinsics;

namespace Retrieval.Index.Kernels;

/// <summary>Attention weights of rows from the logits that <see cref="CodeScan"/> made of their codes.</summary>
public static unsafe class CodeWeights
{
    // A weight relative to the whole attention is near 1 at most unless a code misleads; exp(40) leaves room for sums of squares.
    internal const float Highest = 40;

    /// <summary>Reference. As <see cref="Compute"/>.</summary>
    public static void ComputeReference(
        float* logits, int stride, int* starts, int lists, int group, float* shifts, float* weights, int weightStride, float* groupWeights, float* sums)
    {
        for (int list = 0; list < lists; list++)
        {
            for (int g = 0; g < group; g++)
            {
                float sum = 0;
                for (int r = starts[list] - starts[0]; r < starts[list + 1] - starts[0]; r++)
                {
                    float weight = VectorExp.Rough(MathF.Min(logits[(long)g * stride + r] - shifts[g], Highest));
                    weights[(long)g * weightStride + r] = weight;
                    groupWeights[r] = g == 0 ? weight : groupWeights[r] + weight;
                    sum += weight;
                }
                sums[list * group + g] = sum;
            }
        }
    }

    /// <summary>
    /// Weights exp(logit − shift) of the rows of some lists, by <see cref="VectorExp.Rough(float)">rough exponentials</see>, and their sums over the group and over each list:
    /// what codes lose of a logit is ten times what these do.
    /// </summary>
    /// <param name="logits">[group, stride]</param>
    /// <param name="starts">[lists + 1]: where each list's rows begin, less where the first one's do; all multiples of 16 for the fast path.</param>
    /// <param name="shifts">[group]</param>
    /// <param name="weights">[group, weightStride]; may be the logits.</param>
    /// <param name="groupWeights">[rows]: Σ_g weights[g, r].</param>
    /// <param name="sums">[lists, group]: Σ_r weights[g, r] over a list.</param>
    public static void Compute(
        float* logits, int stride, int* starts, int lists, int group, float* shifts, float* weights, int weightStride, float* groupWeights, float* sums)
    {
        if (!Vector256.IsHardwareAccelerated || !Whole(starts, lists))
        {
            ComputeReference(logits, stride, starts, lists, group, shifts, weights, weightStride, groupWeights, sums);
            return;
        }
        Vector512<float> highest = Vector512.Create(Highest);
        for (int list = 0; list < lists; list++)
        {
            int begin = starts[list] - starts[0], end = starts[list + 1] - starts[0];
            for (int g = 0; g < group; g++)
            {
                Vector512<float> sum = default, shift = Vector512.Create(shifts[g]);
                float* source = logits + (long)g * stride, target = weights + (long)g * weightStride;
                for (int r = begin; r < end; r += 16)
                {
                    Vector512<float> weight = VectorExp.Rough(Vector512.MinNative(highest, Vector512.Load(source + r) - shift));
                    weight.Store(target + r);
                    sum += weight;
                    (g == 0 ? weight : weight + Vector512.Load(groupWeights + r)).Store(groupWeights + r);
                }
                sums[list * group + g] = Vector512.Sum(sum);
            }
        }
    }

    private static bool Whole(int* starts, int lists)
    {
        int bits = 0;
        for (int list = 1; list <= lists; list++)
            bits |= starts[list] - starts[0];
        return bits % 16 == 0;
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
            largest = AcrossLanes.Largest(all);
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
}
