using System.Runtime.Intrinsics;

namespace Retrieval.Index.Kernels;

/// <summary>
/// The running state of a softmax over logits that arrive in pieces (arXiv 1805.02867): maximum and sum of exp(logit − maximum).
/// </summary>
public static unsafe class OnlineSoftmax
{
    /// <summary>Reference. As <see cref="Step"/>.</summary>
    public static float StepReference(float* logits, int count, ref float max, ref float sum)
    {
        float newMax = max;
        for (int i = 0; i < count; i++)
            newMax = MathF.Max(newMax, logits[i]);
        float rescale = max == newMax ? 1 : float.IsNegativeInfinity(max) ? 0 : VectorExp.Exp(max - newMax);
        float added = 0;
        for (int i = 0; i < count; i++)
            added += logits[i] = float.IsNegativeInfinity(newMax) ? 0 : VectorExp.Exp(logits[i] - newMax);
        (max, sum) = (newMax, sum * rescale + added);
        return rescale;
    }

    /// <summary>Takes in a piece: logits become weights exp(logit − maximum), and the state is brought to the new maximum.</summary>
    /// <param name="logits">[count]; −∞ marks a masked position. Overwritten with the weights.</param>
    /// <param name="max">Running maximum; −∞ at the start.</param>
    /// <param name="sum">Running sum; 0 at the start.</param>
    /// <returns>What earlier weighted sums must be multiplied with; 1 if the maximum did not change.</returns>
    public static float Step(float* logits, int count, ref float max, ref float sum)
    {
        if (!Vector256.IsHardwareAccelerated || count < 16)
            return StepReference(logits, count, ref max, ref sum);

        // The last vector overlaps the one before: harmless for a maximum.
        Vector512<float> maxima = Vector512.Load(logits + count - 16);
        int i = 0;
        for (; i <= count - 16; i += 16)
            maxima = Vector512.Max(maxima, Vector512.Load(logits + i));
        float newMax = MathF.Max(max, Largest(maxima));
        if (float.IsNegativeInfinity(newMax))
        {
            new Span<float>(logits, count).Clear();
            return 1;
        }

        Vector512<float> shift = Vector512.Create(newMax), total = Vector512<float>.Zero;
        for (i = 0; i <= count - 16; i += 16)
        {
            Vector512<float> weight = VectorExp.Exp(Vector512.Load(logits + i) - shift);
            weight.Store(logits + i);
            total += weight;
        }
        float added = Vector512.Sum(total);
        for (; i < count; i++)
            added += logits[i] = VectorExp.Exp(logits[i] - newMax);

        float rescale = max == newMax ? 1 : float.IsNegativeInfinity(max) ? 0 : VectorExp.Exp(max - newMax);
        (max, sum) = (newMax, sum * rescale + added);
        return rescale;
    }

    private static float Largest(Vector512<float> v)
    {
        Vector256<float> eight = Vector256.Max(v.GetLower(), v.GetUpper());
        Vector128<float> four = Vector128.Max(eight.GetLower(), eight.GetUpper());
        Vector128<float> two = Vector128.Max(four, Vector128.Shuffle(four, Vector128.Create(2, 3, 0, 1)));
        return MathF.Max(two[0], two[1]);
    }
}
