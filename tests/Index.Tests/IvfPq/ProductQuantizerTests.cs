using Retrieval.TestKit;
using Xunit;

namespace Retrieval.Index.Tests.IvfPq;

public sealed unsafe class ProductQuantizerTests
{
    [Theory]
    [InlineData(16, 4)]
    [InlineData(64, 16)]
    [InlineData(80, 20)]
    [InlineData(128, 32)]
    public void CodesNameTheNearestCentroidOfEachSubspace(int dim, int subspaces)
    {
        const int Count = 208;
        float[] columns = Sample(dim, 512);
        ProductQuantizer quantizer = Train(columns, 512, dim, subspaces);
        Assert.Equal((dim, subspaces), (quantizer.Dim, quantizer.Subspaces));
        float[] points = Sample(dim, Count, seed: 9);
        (int[] codes, float[] lost) = Encode(quantizer, points, Count);
        for (int s = 0; s < subspaces; s++)
        {
            for (int p = 0; p < Count; p++)
            {
                int code = codes[s * Count + p];
                Assert.InRange(code, 0, ProductQuantizer.Centroids - 1);
                double[] distance = [.. Enumerable.Range(0, ProductQuantizer.Centroids).Select(c => Distance(quantizer, points, Count, s, p, c))];
                Assert.True(distance[code] <= distance.Min() * (1 + 3e-6) + 1e-12);
                for (int axis = quantizer.Starts[s]; axis < quantizer.Starts[s + 1]; axis++)
                    Assert.Equal(points[axis * Count + p] - Centroid(quantizer, s, code, axis), lost[axis * Count + p]);
            }
        }
    }

    [Fact]
    public void TheResidualMayReplaceThePoints()
    {
        const int Count = 64, Dim = 16;
        ProductQuantizer quantizer = Train(Sample(Dim, 256), 256, Dim, 4);
        float[] points = Sample(Dim, Count, seed: 4);
        (int[] codes, float[] lost) = Encode(quantizer, points, Count);
        var codesInPlace = new int[codes.Length];
        fixed (float* point = points)
        fixed (int* code = codesInPlace)
            quantizer.Encode(point, Count, code, point);
        Assert.Equal(codes, codesInPlace);
        Assert.Equal(lost, points);
    }

    /// <summary>Of every axis that has one to itself, 4 bits leave about 1.2 % of the variance (Lloyd–Max, 16 levels, normal).</summary>
    [Fact]
    public void AnAxisOfItsOwnLosesLittle()
    {
        const int Count = 2048;
        float[] columns = RandomData.Normal(4 * Count, 1);
        ProductQuantizer quantizer = Train(columns, Count, 4, 4);
        (_, float[] lost) = Encode(quantizer, columns, Count);
        double share = lost.Sum(x => (double)x * x) / columns.Sum(x => (double)x * x);
        Assert.InRange(share, 0.005, 0.02);
    }

    [Fact]
    public void SixteenDistinctPointsAreKeptExactly()
    {
        const int Count = 160, Dim = 8;
        float[] distinct = RandomData.Normal(16 * Dim, 2);
        var columns = new float[Dim * Count];
        for (int i = 0; i < columns.Length; i++)
            columns[i] = distinct[i % Count / 10 * Dim + i / Count];
        ProductQuantizer quantizer = Train(columns, Count, Dim, 2);
        (_, float[] lost) = Encode(quantizer, columns, Count);
        Assert.All(lost, x => Assert.Equal(0, x, 1e-6));
    }

    [Fact]
    public void PointsWithoutSpreadLoseNothing()
    {
        float[] columns = [.. Enumerable.Repeat(2.5f, 8 * 32)];
        (_, float[] lost) = Encode(Train(columns, 32, 8, 4), columns, 32);
        Assert.All(lost, x => Assert.Equal(0, x));
        (_, lost) = Encode(Train(new float[8 * 16], 16, 8, 4), new float[8 * 16], 16);
        Assert.All(lost, x => Assert.Equal(0, x));
    }

    [Fact]
    public void WithFewerAxesThanSubspacesTheRestHaveCodeZero()
    {
        float[] columns = Sample(2, 64);
        ProductQuantizer quantizer = Train(columns, 64, 2, 6);
        (int[] codes, float[] lost) = Encode(quantizer, columns, 64);
        for (int s = 0; s < 6; s++)
        {
            if (quantizer.Starts[s] == quantizer.Starts[s + 1])
                Assert.All(codes[(s * 64)..((s + 1) * 64)], code => Assert.Equal(0, code));
        }
        Assert.True(lost.Max(Math.Abs) < columns.Max(Math.Abs));
    }

    [Fact]
    public void TwoTrainingsGiveTheSameBits()
    {
        float[] columns = Sample(64, 1024);
        ProductQuantizer one = Train(columns, 1024, 64, 16), two = Train([.. columns], 1024, 64, 16);
        Assert.Equal(one.Starts, two.Starts);
        Assert.Equal(one.Codebooks, two.Codebooks);
    }

    private static ProductQuantizer Train(float[] columns, int count, int dim, int subspaces)
    {
        double[] variances = [.. Enumerable.Range(0, dim).Select(i => columns.AsSpan(i * count, count).ToArray().Average(x => (double)x * x))];
        return ProductQuantizer.Train(columns, count, dim, variances, subspaces);
    }

    /// <summary>[dim, count], axes of falling variance.</summary>
    private static float[] Sample(int dim, int count, int seed = 3)
    {
        float[] columns = RandomData.Normal(dim * count, seed);
        for (int i = 0; i < columns.Length; i++)
            columns[i] *= MathF.Pow(0.95f, i / count);
        return columns;
    }

    private static (int[] Codes, float[] Lost) Encode(ProductQuantizer quantizer, float[] columns, int count)
    {
        using var points = new GuardedMemory<float>(columns);
        using var lost = new GuardedMemory<float>(columns.Length);
        using var codes = new GuardedMemory<int>(quantizer.Subspaces * count);
        quantizer.Encode(points.Pointer, count, codes.Pointer, lost.Pointer);
        return (codes.Span.ToArray(), lost.Span.ToArray());
    }

    private static float Centroid(ProductQuantizer quantizer, int subspace, int code, int axis)
    {
        int start = quantizer.Starts[subspace], width = quantizer.Starts[subspace + 1] - start;
        return quantizer.Codebooks[subspace][code * width + axis - start];
    }

    private static double Distance(ProductQuantizer quantizer, float[] points, int count, int subspace, int point, int code)
    {
        double sum = 0;
        for (int axis = quantizer.Starts[subspace]; axis < quantizer.Starts[subspace + 1]; axis++)
            sum += Math.Pow(points[axis * count + point] - (double)Centroid(quantizer, subspace, code, axis), 2);
        return sum;
    }
}
