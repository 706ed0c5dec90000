using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Retrieval.Index.Kernels;

/// <summary>Parts the rows of a list into those with a logit that is large enough for some query, and the rest, of which only sums remain.</summary>
public static unsafe class RowSieve
{
    /// <summary>Rows that are looked at together.</summary>
    public const int BlockRows = 16;

    /// <summary>Reference. As <see cref="Split"/>.</summary>
    public static int SplitReference(float* logits, int stride, int rows, int group, float* limits, int first, int* numbers, float* passed, int passedStride, float* rest)
    {
        int found = 0;
        for (int r = 0; r < rows; r++)
        {
            bool passes = false;
            for (int g = 0; g < group; g++)
                passes |= logits[(long)g * stride + r] >= limits[g];
            for (int g = 0; g < group; g++)
            {
                float logit = logits[(long)g * stride + r];
                if (passes)
                    passed[(long)g * passedStride + found] = logit;
                else
                    rest[g] += VectorExp.Rough(logit - limits[g]);
            }
            if (passes)
                numbers[found++] = first + r;
        }
        return found;
    }

    /// <summary>Rows that pass, in their order.</summary>
    /// <param name="logits">[group, stride]</param>
    /// <param name="rows">A multiple of <see cref="BlockRows"/>.</param>
    /// <param name="limits">[group]: a row passes that reaches one of them; finite.</param>
    /// <param name="first">Number of the first row.</param>
    /// <param name="numbers">[rows]: those of the rows that pass; what follows them is overwritten.</param>
    /// <param name="passed">[group, passedStride], room for all rows: their logits; what follows them is overwritten.</param>
    /// <param name="rest">[group], added to: Σ exp(logit − limit) of the other rows, by <see cref="VectorExp.Rough(float)">rough exponentials</see>.</param>
    /// <returns>How many pass.</returns>
    public static int Split(float* logits, int stride, int rows, int group, float* limits, int first, int* numbers, float* passed, int passedStride, float* rest)
    {
        if (!Avx512F.IsSupported)
            return SplitReference(logits, stride, rows, group, limits, first, numbers, passed, passedStride, rest);
        // What will be overwritten at last has room meanwhile.
        float* best = passed;
        for (int g = 0; g < group; g++)
            Rise(logits + (long)g * stride, rows, limits[g], best, first: g == 0);
        int found = ScoreThreshold.Collect(best, rows, 0, numbers);
        for (int g = 0; g < group; g++)
            rest[g] += Rest(logits + (long)g * stride, rows, limits[g], best);
        Take(logits, stride, group, first, found, numbers, passed, passedStride);
        return found;
    }

    /// <summary>Copies the logits of the rows that pass; their numbers, so far from 0, become those from the first.</summary>
    internal static void Take(float* logits, int stride, int group, int first, int found, int* numbers, float* passed, int passedStride)
    {
        for (int g = 0; g < group; g++, logits += stride, passed += passedStride)
        {
            for (int i = 0; i < found; i++)
                passed[i] = logits[numbers[i]];
        }
        for (int i = 0; i < found; i++)
            numbers[i] += first;
    }

    /// <summary>best[r] becomes the largest of it and logit − limit.</summary>
    private static void Rise(float* logits, int rows, float limit, float* best, bool first)
    {
        Vector512<float> least = Vector512.Create(limit);
        for (int r = 0; r < rows; r += BlockRows)
        {
            Vector512<float> above = Vector512.Load(logits + r) - least;
            (first ? above : Vector512.MaxNative(above, Vector512.Load(best + r))).Store(best + r);
        }
    }

    private static float Rest(float* logits, int rows, float limit, float* best)
    {
        Vector512<float> sum = default, least = Vector512.Create(limit);
        for (int r = 0; r < rows; r += BlockRows)
        {
            Vector512<float> share = VectorExp.Rough(Vector512.Load(logits + r) - least);
            sum += share & (Vector512.Load(best + r).AsInt32() >> 31).AsSingle();
        }
        return Vector512.Sum(sum);
    }
}
