using Retrieval.Index.Kernels;
using Retrieval.TestKit;
using Xunit;

namespace Retrieval.Index.Tests.Kernels;

public sealed unsafe class CodeWeightsTests
{
    private const float Untouched = -123;

    // Weights are relative to the whole attention; e⁴⁰ of it is an estimate gone wrong and the most that one becomes.
    private const float Highest = 40;

    // What sums of many lose.
    private const double Sum = 1e-6;

    private delegate void Weighting(float* logits, int stride, int* starts, int lists, int group, float* shifts, float* weights, int weightStride, float* groupWeights, float* sums);

    private static readonly Weighting[] Kernels = [CodeWeights.Compute, CodeWeights.ComputeReference];

    /// <summary>Odd numbers of rows, and whole blocks, which alone take the fast path.</summary>
    public static TheoryData<int> Rows => [.. Shapes.Lengths, 32, 48, 80, 1008];

    [Theory]
    [MemberData(nameof(Rows))]
    public void RoughExponentialsAndTheirSumsOverGroupAndLists(int rows)
    {
        foreach (Weighting compute in Kernels)
        {
            for (int group = 1; group <= 9; group++)
                Check(compute, rows, group, RandomData.Normal(group * (rows + 7), group, 15));
        }
    }

    /// <summary>Weights that vanish are 0, padding is −∞; those beyond any that a good estimate has are large and can still be summed.</summary>
    [Theory]
    [InlineData(16)]
    [InlineData(48)]
    [InlineData(5)]
    public void WeightsStayFiniteWhateverTheLogits(int rows)
    {
        float[] some = [float.NegativeInfinity, -1e30f, -300, -87.01f, -1, 0, 39.9f, 40, 40.1f, 300, 1e30f, float.PositiveInfinity];
        foreach (Weighting compute in Kernels)
            Check(compute, rows, 3, [.. Enumerable.Range(0, 3 * (rows + 7)).Select(i => some[i * 5 % some.Length])]);
    }

    [Theory]
    [MemberData(nameof(Rows))]
    public void LargestAndSum(int rows)
    {
        float[] logits = RandomData.Normal(rows, rows + 1, 15);
        using var guarded = new GuardedMemory<float>(logits);
        Assert.Equal(logits.Append(float.NegativeInfinity).Max(), CodeWeights.Largest(guarded.Pointer, rows));
        Assert.Equal(logits.Sum(x => (double)x), CodeWeights.Sum(guarded.Pointer, rows), logits.Sum(Math.Abs) * 1e-6);
        // Wherever the largest stands.
        for (int i = 0; i < rows; i += 5)
        {
            guarded.Span[i] = 1000 + i;
            Assert.Equal(1000 + i, CodeWeights.Largest(guarded.Pointer, rows));
        }
    }

    private static void Check(Weighting compute, int rows, int group, float[] logits)
    {
        foreach (int size in (int[])[1, 16])
        {
            if (rows % size != 0)
                continue;
            Check(compute, rows, group, logits, inPlace: true, Cuts(rows, size));
            Check(compute, rows, group, logits, inPlace: false, Cuts(rows, size));
        }
    }

    /// <param name="logits">[group, rows + 7]</param>
    private static void Check(Weighting compute, int rows, int group, float[] logits, bool inPlace, int[] cuts)
    {
        int stride = rows + 7, weightStride = inPlace ? stride : rows + 3;
        using var source = new GuardedMemory<float>(logits.AsSpan(0, (group - 1) * stride + rows));
        using var apart = new GuardedMemory<float>((group - 1) * weightStride + rows);
        using var shifts = new GuardedMemory<float>(group);
        using var groupWeights = new GuardedMemory<float>(rows);
        int lists = cuts.Length - 1;
        using var starts = new GuardedMemory<int>(cuts);
        using var sums = new GuardedMemory<float>(lists * group);
        GuardedMemory<float> weights = inPlace ? source : apart;
        apart.Span.Fill(Untouched);
        groupWeights.Span.Fill(Untouched);
        sums.Span.Fill(Untouched);
        for (int g = 0; g < group; g++)
            shifts.Span[g] = 1.5f * g - 2;
        compute(source.Pointer, stride, starts.Pointer, lists, group, shifts.Pointer, weights.Pointer, weightStride, groupWeights.Pointer, sums.Pointer);

        var groupSums = new double[rows];
        for (int g = 0; g < group; g++)
        {
            for (int list = 0; list < lists; list++)
            {
                double sum = 0;
                for (int r = cuts[list] - cuts[0]; r < cuts[list + 1] - cuts[0]; r++)
                {
                    double expected = VectorExp.Rough(Math.Min(logits[g * stride + r] - shifts.Span[g], Highest));
                    Assert.Equal(expected, weights.Span[g * weightStride + r]);
                    sum += expected;
                    groupSums[r] += expected;
                }
                Near(sum, sums.Span[list * group + g], Sum, compute, rows, -1);
            }
            for (int at = g * weightStride + rows; at < Math.Min(weights.Length, (g + 1) * weightStride); at++)
                Assert.Equal(inPlace ? logits[at] : Untouched, weights.Span[at]);
        }
        for (int r = 0; r < rows; r++)
            Near(groupSums[r], groupWeights.Span[r], Sum, compute, rows, r);
    }

    /// <summary>Lists of one block, of two, and so on; counted from somewhere.</summary>
    /// <param name="size">Rows of a block.</param>
    private static int[] Cuts(int rows, int size)
    {
        const int From = 48;
        var cuts = new List<int> { From };
        for (int list = 1; cuts[^1] < From + rows; list++)
            cuts.Add(Math.Min(cuts[^1] + list * size, From + rows));
        return [.. cuts];
    }

    private static void Near(double expected, float actual, double relative, Weighting compute, int rows, int row)
    {
        if (!(Math.Abs(expected - actual) <= relative * expected))
            Assert.Fail($"{compute.Method.Name}, {(row < 0 ? "sum" : $"row {row}")} of {rows}: {actual} where {expected} is right");
    }
}
