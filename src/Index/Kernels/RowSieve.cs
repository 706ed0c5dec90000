using System.Numerics;
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
                    rest[g] += VectorExp.Exp(logit - limits[g]);
            }
            if (passes)
                numbers[found++] = first + r;
        }
        for (int g = 0; g < group; g++)
            new Span<float>(passed + (long)g * passedStride + found, -found & (BlockRows - 1)).Fill(float.NegativeInfinity);
        return found;
    }

    /// <summary>Rows that pass, in their order.</summary>
    /// <param name="logits">[group, stride]</param>
    /// <param name="rows">A multiple of <see cref="BlockRows"/>.</param>
    /// <param name="limits">[group]: a row passes that reaches one of them; finite.</param>
    /// <param name="first">Number of the first row.</param>
    /// <param name="numbers">[rows]: those of the rows that pass; what follows them is overwritten.</param>
    /// <param name="passed">[group, passedStride]: their logits, −∞ to the end of a block; so is this.</param>
    /// <param name="rest">[group], added to: Σ exp(logit − limit) of the other rows, each within 4e-6 of itself.</param>
    /// <returns>How many pass.</returns>
    public static int Split(float* logits, int stride, int rows, int group, float* limits, int first, int* numbers, float* passed, int passedStride, float* rest)
    {
        if (!Avx512F.IsSupported)
            return SplitReference(logits, stride, rows, group, limits, first, numbers, passed, passedStride, rest);
        int found = 0;
        Vector512<float>* sums = stackalloc Vector512<float>[group];
        new Span<Vector512<float>>(sums, group).Clear();
        for (int r = 0; r < rows; r += BlockRows)
        {
            Vector512<float> passes = default;
            for (int g = 0; g < group; g++)
                passes |= Vector512.GreaterThanOrEqual(Vector512.Load(logits + (long)g * stride + r), Vector512.Create(limits[g]));
            // Which rows pass is too irregular for branches: what is beyond the last one found is overwritten.
            Avx512F.Compress(Vector512<int>.Zero, passes.AsInt32(), Vector512<int>.Indices + Vector512.Create(first + r)).Store(numbers + found);
            for (int g = 0; g < group; g++)
            {
                Vector512<float> logit = Vector512.Load(logits + (long)g * stride + r);
                Avx512F.Compress(Vector512<float>.Zero, passes, logit).Store(passed + (long)g * passedStride + found);
                sums[g] += Vector512.AndNot(VectorExp.Approximate(Vector512.Min(logit - Vector512.Create(limits[g]), Vector512<float>.Zero)), passes);
            }
            found += BitOperations.PopCount(passes.ExtractMostSignificantBits());
        }
        for (int g = 0; g < group; g++)
        {
            rest[g] += Vector512.Sum(sums[g]);
            new Span<float>(passed + (long)g * passedStride + found, -found & (BlockRows - 1)).Fill(float.NegativeInfinity);
        }
        return found;
    }
}
