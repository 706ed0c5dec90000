using Retrieval.Index.Kernels;
using Retrieval.TestKit;
using Xunit;

namespace Retrieval.Index.Tests.Kernels;

public sealed unsafe class MinMaxTests
{
    private const float Untouched = -123;

    [Theory]
    [MemberData(nameof(Shapes.DimTheory), MemberType = typeof(Shapes))]
    public void BoundsAreTheExtremesRoundedOutwards(int dim)
    {
        foreach (int count in (int[])[1, 2, 15, 16])
        {
            // From subnormal halves to what only just fits.
            float[] rows = RandomData.Normal(count * dim, dim + count);
            for (int i = 0; i < rows.Length; i++)
                rows[i] = Math.Clamp(rows[i] * MathF.Pow(10, i % 12 - 7), -65504, 65504);
            float[] fast = Bounds(rows, count, dim, MinMax.Bounds);
            Assert.Equal(Bounds(rows, count, dim, MinMax.BoundsReference), fast);
            for (int i = 0; i < dim; i++)
            {
                float[] axis = [.. Enumerable.Range(0, count).Select(r => rows[r * dim + i])];
                Assert.True(fast[i] >= axis.Max() && (float)Half.BitDecrement((Half)fast[i]) < axis.Max(), $"{fast[i]} for {axis.Max()}");
                Assert.True(fast[dim + i] <= axis.Min() && (float)Half.BitIncrement((Half)fast[dim + i]) > axis.Min(), $"{fast[dim + i]} for {axis.Min()}");
            }
        }
    }

    [Fact]
    public void BeyondHalvesIsTheLargestHalf()
    {
        float[] rows = [.. Enumerable.Repeat(1e6f, 16), .. Enumerable.Repeat(-1e6f, 16)];
        float[] expected = [.. Enumerable.Repeat(65504f, 16), .. Enumerable.Repeat(-65504f, 16)];
        Assert.Equal(expected, Bounds(rows, 2, 16, MinMax.Bounds));
        Assert.Equal(expected, Bounds(rows, 2, 16, MinMax.BoundsReference));
    }

    [Theory]
    [MemberData(nameof(Shapes.DimTheory), MemberType = typeof(Shapes))]
    public void ScoresBoundEveryLogitOfAPage(int dim)
    {
        const int PageRows = 5;
        foreach ((int pages, int group) in ((int, int)[])[(1, 1), (15, 3), (16, 8), (17, 9), (40, 17)])
        {
            float[] rows = RandomData.Normal(pages * PageRows * dim, dim), queries = RandomData.Normal(group * dim, pages);
            using var bounds = new GuardedMemory<ushort>(pages * 2 * dim);
            for (int p = 0; p < pages; p++)
            {
                fixed (float* page = &rows[p * PageRows * dim])
                    MinMax.Bounds(page, PageRows, dim, bounds.Pointer + p * 2 * dim);
            }
            int stride = pages + 3;
            using var query = new GuardedMemory<float>(queries);
            using var fast = new GuardedMemory<float>(group * stride);
            using var reference = new GuardedMemory<float>(group * stride);
            fast.Span.Fill(Untouched);
            MinMax.Scores(bounds.Pointer, pages, dim, query.Pointer, group, fast.Pointer, stride);
            MinMax.ScoresReference(bounds.Pointer, pages, dim, query.Pointer, group, reference.Pointer, stride);
            for (int g = 0; g < group; g++)
            {
                for (int p = 0; p < pages; p++)
                {
                    double sum = 0, magnitude = 0;
                    for (int i = 0; i < dim; i++)
                    {
                        double q = queries[g * dim + i], high = q * Widened(bounds, p * 2 * dim + i), low = q * Widened(bounds, p * 2 * dim + dim + i);
                        sum += Math.Max(high, low);
                        magnitude += Math.Abs(Math.Max(high, low));
                    }
                    Shapes.Near(sum, fast.Span[g * stride + p], magnitude, $"fast, dim {dim}, page {p} of {pages}, query {g}");
                    Shapes.Near(sum, reference.Span[g * stride + p], magnitude, $"reference, dim {dim}, page {p} of {pages}, query {g}");
                    for (int r = 0; r < PageRows; r++)
                    {
                        double logit = 0;
                        for (int i = 0; i < dim; i++)
                            logit += (double)queries[g * dim + i] * rows[(p * PageRows + r) * dim + i];
                        Assert.True(logit <= sum, $"logit {logit} above the bound {sum}");
                    }
                }
                for (int p = pages; p < stride; p++)
                    Assert.Equal(Untouched, fast.Span[g * stride + p]);
            }
        }
    }

    private delegate void Bounding(float* rows, int count, int dim, ushort* bounds);

    private static double Widened(GuardedMemory<ushort> halves, int i) => (double)BitConverter.UInt16BitsToHalf(halves.Span[i]);

    private static float[] Bounds(float[] rows, int count, int dim, Bounding kernel)
    {
        using var source = new GuardedMemory<float>(rows);
        using var bounds = new GuardedMemory<ushort>(2 * dim);
        kernel(source.Pointer, count, dim, bounds.Pointer);
        return [.. bounds.Span.ToArray().Select(bits => (float)BitConverter.UInt16BitsToHalf(bits))];
    }
}
