using System.Numerics;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Retrieval.Index.Kernels;

/// <summary>
/// The score above which a budget is spent, found by bisection: floats of one sign are ordered like their bits, and a step is one
/// pass that only compares and adds. Finer than the estimates that it is used on, and many times faster than sorting.
/// </summary>
public static unsafe class ScoreThreshold
{
    // Scores of less than a millionth of a millionth of the largest are one class for budgets, unless said otherwise; limits may lie below.
    private const int Octaves = 40;

    // Bits of the least positive float.
    private const int Least = 1;

    // So many scores are worth a look at a sample of them first.
    private const int Sampled = 2048, SampleStride = 8;

    // Steps of 1/128 of an octave's first number: a factor of at most 1.008.
    private const int Resolution = 1 << 16;

    /// <summary>
    /// A threshold t so that the weights of scores of at least t sum up to at most a budget, and either to more than 63/64 of it or
    /// those of t / 1.008 to more than it, or t is a millionth of a millionth of the largest score: smaller ones do not compete.
    /// </summary>
    /// <param name="scores">[count], 0 or more.</param>
    /// <param name="weights">[count]; null: 1 each.</param>
    /// <param name="all">All positive scores compete.</param>
    /// <returns>The least positive float if all positive scores fit.</returns>
    public static float ForBudget(float* scores, float* weights, int count, float budget, bool all = false)
    {
        if (SumFrom(scores, weights, count, float.Epsilon) <= budget)
            return float.Epsilon;
        (int low, int high) = Range(scores, count);
        int least = low;
        if (count >= Sampled)
        {
            int sample = Sample(scores, weights, count, budget / SampleStride, low, high);
            foreach (int guess in (ReadOnlySpan<int>)[sample - (1 << 21), sample + (1 << 21)])
            {
                if (guess > low && guess < high)
                    Narrow(guess, ref low, ref high);
            }
        }
        if (!Halve(ref low, ref high) && all && low == least && low > Least && SumFrom(scores, weights, count, BitConverter.Int32BitsToSingle(low)) <= budget)
        {
            (low, high) = (Least, low);
            Halve(ref low, ref high);
        }
        return BitConverter.Int32BitsToSingle(high);

        // True: nearly all of the budget is spent.
        bool Halve(ref int low, ref int high)
        {
            while (high - low > Resolution)
            {
                if (Narrow(low + (high - low) / 2, ref low, ref high) > budget * (63 / 64f))
                    return true;
            }
            return false;
        }

        // The sum if it is within the budget, else 0.
        float Narrow(int middle, ref int low, ref int high)
        {
            float sum = SumFrom(scores, weights, count, BitConverter.Int32BitsToSingle(middle));
            (low, high) = sum <= budget ? (low, middle) : (middle, high);
            return sum <= budget ? sum : 0;
        }
    }

    /// <summary>About the bits of the threshold, from one vector in eight.</summary>
    private static int Sample(float* scores, float* weights, int count, float budget, int low, int high)
    {
        while (high - low > 1 << 20)
        {
            int middle = low + (high - low) / 2;
            float threshold = BitConverter.Int32BitsToSingle(middle), sum = 0;
            for (int i = 0; i <= count - 16; i += 16 * SampleStride)
                sum += SumFrom(scores + i, weights == null ? null : weights + i, 16, threshold);
            (low, high) = sum <= budget ? (low, middle) : (middle, high);
        }
        return high;
    }

    /// <summary>A threshold t so that scores below t sum up to at most a limit, and below 1.008 t to more.</summary>
    /// <returns>+∞ if all scores together stay within the limit.</returns>
    public static float ForRest(float* scores, int count, float limit)
    {
        (int low, int high) = Range(scores, count);
        if (SumBelow(scores, count, BitConverter.Int32BitsToSingle(high)) <= limit)
            return float.PositiveInfinity;
        int least = low;
        Halve();
        // The least threshold has not been tried yet.
        if (low == least && SumBelow(scores, count, BitConverter.Int32BitsToSingle(low)) > limit)
        {
            (low, high) = (0, least);
            Halve();
        }
        return BitConverter.Int32BitsToSingle(low);

        void Halve()
        {
            while (high - low > Resolution)
            {
                int middle = low + (high - low) / 2;
                if (SumBelow(scores, count, BitConverter.Int32BitsToSingle(middle)) <= limit)
                    low = middle;
                else
                    high = middle;
            }
        }
    }

    /// <summary>Reference. As <see cref="SumFrom"/>.</summary>
    public static float SumFromReference(float* scores, float* weights, int count, float threshold)
    {
        float sum = 0;
        for (int i = 0; i < count; i++)
            sum += scores[i] >= threshold ? weights == null ? 1 : weights[i] : 0;
        return sum;
    }

    /// <summary>Sum of the weights of scores of at least a threshold.</summary>
    public static float SumFrom(float* scores, float* weights, int count, float threshold)
    {
        if (!Vector256.IsHardwareAccelerated)
            return SumFromReference(scores, weights, count, threshold);
        Vector512<float> limit = Vector512.Create(threshold);
        float sum = 0;
        int i = 0;
        if (weights == null)
        {
            int found = 0;
            for (; i <= count - 16; i += 16)
                found += BitOperations.PopCount(Vector512.GreaterThanOrEqual(Vector512.Load(scores + i), limit).ExtractMostSignificantBits());
            sum = found;
        }
        else
        {
            Vector512<float> total = default;
            for (; i <= count - 16; i += 16)
                total += Vector512.GreaterThanOrEqual(Vector512.Load(scores + i), limit) & Vector512.Load(weights + i);
            sum = Vector512.Sum(total);
        }
        return sum + SumFromReference(scores + i, weights == null ? null : weights + i, count - i, threshold);
    }

    /// <summary>Reference. As <see cref="SumBelow"/>.</summary>
    public static float SumBelowReference(float* scores, int count, float threshold)
    {
        float sum = 0;
        for (int i = 0; i < count; i++)
            sum += scores[i] < threshold ? scores[i] : 0;
        return sum;
    }

    /// <summary>Sum of the scores below a threshold.</summary>
    public static float SumBelow(float* scores, int count, float threshold)
    {
        int i = 0;
        float sum = 0;
        if (Vector256.IsHardwareAccelerated)
        {
            Vector512<float> limit = Vector512.Create(threshold), total = default;
            for (; i <= count - 16; i += 16)
            {
                Vector512<float> some = Vector512.Load(scores + i);
                total += Vector512.LessThan(some, limit) & some;
            }
            sum = Vector512.Sum(total);
        }
        return sum + SumBelowReference(scores + i, count - i, threshold);
    }

    /// <summary>Indices of scores of at least a threshold, ascending.</summary>
    /// <param name="indices">Room for <paramref name="count"/>.</param>
    /// <returns>How many.</returns>
    public static int Collect(float* scores, int count, float threshold, int* indices) => Take(scores, count, threshold, 0, indices, null);

    /// <summary>Reference. As <see cref="Take"/>.</summary>
    public static int TakeReference(float* scores, int count, float threshold, int first, int* indices, float* taken)
    {
        int found = 0;
        for (int i = 0; i < count; i++)
        {
            if (!(scores[i] >= threshold))
                continue;
            indices[found] = first + i;
            if (taken != null)
                taken[found] = scores[i];
            found++;
        }
        return found;
    }

    /// <summary>Scores of at least a threshold and where they stand, ascending.</summary>
    /// <param name="first">Index of the first score.</param>
    /// <param name="indices">Room for <paramref name="count"/>.</param>
    /// <param name="taken">Room for <paramref name="count"/>; receives the scores; null: not wanted.</param>
    /// <returns>How many.</returns>
    public static int Take(float* scores, int count, float threshold, int first, int* indices, float* taken)
    {
        int found = 0, i = 0;
        if (Avx512F.IsSupported)
        {
            Vector512<float> limit = Vector512.Create(threshold);
            Vector512<int> numbers = Vector512<int>.Indices + Vector512.Create(first);
            for (; i <= count - 16; i += 16, numbers += Vector512.Create(16))
            {
                // Which scores qualify is too irregular for branches: what is beyond the last one found is overwritten.
                Vector512<float> some = Vector512.Load(scores + i), mask = Vector512.GreaterThanOrEqual(some, limit);
                Avx512F.Compress(Vector512<int>.Zero, mask.AsInt32(), numbers).Store(indices + found);
                if (taken != null)
                    Avx512F.Compress(Vector512<float>.Zero, mask, some).Store(taken + found);
                found += BitOperations.PopCount(mask.ExtractMostSignificantBits());
            }
        }
        else if (Vector256.IsHardwareAccelerated)
        {
            Vector512<float> limit = Vector512.Create(threshold);
            for (; i <= count - 16; i += 16)
            {
                ulong bits = Vector512.GreaterThanOrEqual(Vector512.Load(scores + i), limit).ExtractMostSignificantBits();
                for (; bits != 0; bits &= bits - 1, found++)
                {
                    int at = i + BitOperations.TrailingZeroCount(bits);
                    indices[found] = first + at;
                    if (taken != null)
                        taken[found] = scores[at];
                }
            }
        }
        return found + TakeReference(scores + i, count - i, threshold, first + i, indices + found, taken == null ? null : taken + found);
    }

    /// <summary>Bits of the least threshold that is looked at, and of the least that no score reaches.</summary>
    private static (int Low, int High) Range(float* scores, int count)
    {
        int high = BitConverter.SingleToInt32Bits(MathF.Max(CodeWeights.Largest(scores, count), 0)) + 1;
        return (Math.Max(1, high - (Octaves << 23)), Math.Max(2, high));
    }
}
