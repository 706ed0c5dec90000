using Retrieval.Index.Kernels;
using Retrieval.TestKit;
using Xunit;

namespace Retrieval.Index.Tests.Kernels;

public sealed unsafe class CodeWeightsTests
{
    private const float Untouched = -123;

    // Weights are relative to the whole attention; e³⁰ of it is an estimate gone wrong, where only the order of size matters.
    private const double Ordinary = 30;

    private delegate void Weighting(
        ushort* sums, int stride, int rows, int group, float* shift, float* scale, float* weights, int weightStride, float* groupWeights, float* totals);

    private static readonly Weighting[] Kernels = [CodeWeights.Compute, CodeWeights.ComputeReference];

    [Theory]
    [MemberData(nameof(Shapes.LengthTheory), MemberType = typeof(Shapes))]
    public void ExponentialsAndTheirSumsOverGroupAndRows(int rows)
    {
        for (int group = 1; group <= 9; group++)
        {
            foreach (Weighting compute in Kernels)
            {
                float[] shift = RandomData.Normal(group, group, 4), scale = [.. RandomData.Normal(group, rows, 0.003f).Select(Math.Abs)];
                Check(compute, rows, shift, scale);
            }
        }
    }

    /// <summary>Weights that vanish are 0; those beyond any that a good estimate has are large and can still be summed.</summary>
    [Theory]
    [InlineData(40)]
    [InlineData(5)]
    public void WeightsStayFiniteWhateverTheLogits(int rows)
    {
        foreach (Weighting compute in Kernels)
        {
            Check(compute, rows, [-1e30f, 1e30f, -300, 300, 0], [1, 1, 0.01f, 0.01f, 0]);
            Check(compute, rows, [float.NegativeInfinity, 29.9f, 80], [0.5f, 0, 0]);
        }
    }

    private static void Check(Weighting compute, int rows, float[] shift, float[] scale)
    {
        int group = shift.Length, whole = (rows + 15) / 16 * 16, stride = whole + group % 2 * 7, weightStride = whole + 16;
        var random = new Random(rows);
        // What lies beyond the last row is read and must not count.
        ushort[] sums = [.. Enumerable.Range(0, (group - 1) * stride + whole).Select(_ => (ushort)random.Next(4081))];
        using var guardedSums = new GuardedMemory<ushort>(sums);
        using var guardedShift = new GuardedMemory<float>(shift);
        using var guardedScale = new GuardedMemory<float>(scale);
        using var weights = new GuardedMemory<float>((group - 1) * weightStride + whole);
        using var groupWeights = new GuardedMemory<float>(whole);
        using var totals = new GuardedMemory<float>(group);
        weights.Span.Fill(Untouched);
        groupWeights.Span.Fill(Untouched);
        totals.Span.Fill(0.25f);
        compute(
            guardedSums.Pointer, stride, rows, group, guardedShift.Pointer, guardedScale.Pointer,
            weights.Pointer, weightStride, groupWeights.Pointer, totals.Pointer);

        var groupSums = new double[whole];
        for (int g = 0; g < group; g++)
        {
            double total = 0.25;
            for (int r = 0; r < whole; r++)
            {
                double logit = shift[g] + (double)scale[g] * sums[g * stride + r];
                double expected = r < rows ? Math.Exp(logit) : 0;
                if (r < rows && logit > Ordinary)
                {
                    Assert.InRange(weights.Span[g * weightStride + r], Math.Exp(Ordinary) * (1 - 1e-5), 1e35);
                    expected = weights.Span[g * weightStride + r];
                }
                // Product and logit are rounded to float32 before the logit is raised; below −87 there is nothing.
                double rounded = Math.Min(400, Math.Abs(shift[g]) + (double)scale[g] * sums[g * stride + r]);
                Near(expected, weights.Span[g * weightStride + r], 4e-7 + 1.2e-7 * rounded, 2e-38, compute, rows, r);
                if (r >= rows)
                    Assert.Equal(0, weights.Span[g * weightStride + r]);
                total += weights.Span[g * weightStride + r];
                groupSums[r] += weights.Span[g * weightStride + r];
            }
            Near(total, totals.Span[g], 3e-6, 0, compute, rows, -1);
            for (int at = g * weightStride + whole; at < Math.Min(weights.Length, (g + 1) * weightStride); at++)
                Assert.Equal(Untouched, weights.Span[at]);
        }
        for (int r = 0; r < whole; r++)
            Near(groupSums[r], groupWeights.Span[r], 1e-6, 0, compute, rows, r);
    }

    private static void Near(double expected, float actual, double relative, double absolute, Weighting compute, int rows, int row)
    {
        if (!(Math.Abs(expected - actual) <= relative * expected + absolute))
            Assert.Fail($"{compute.Method.Name}, {(row < 0 ? "total" : $"row {row}")} of {rows}: {actual} where {expected} is right");
    }
}
