using Retrieval.TestKit;
using Xunit;

namespace Retrieval.Index.Tests.IvfPq;

public sealed class KMeansTests
{
    [Theory]
    [InlineData(1, 1, 8)]
    [InlineData(17, 3, 16)]
    [InlineData(64, 64, 16)]
    [InlineData(65, 7, 24)]
    [InlineData(1000, 16, 64)]
    [InlineData(777, 33, 80)]
    public void CentroidsAreTheMeansOfTheirRows(int count, int clusters, int dim)
    {
        float[] rows = RandomData.Normal(count * dim, count);
        (float[] centroids, int[] assignment) = Run(rows, dim, clusters);
        Assert.All(assignment, cluster => Assert.InRange(cluster, 0, clusters - 1));
        for (int c = 0; c < clusters; c++)
        {
            int[] members = [.. Enumerable.Range(0, count).Where(row => assignment[row] == c)];
            for (int i = 0; i < dim && members.Length > 0; i++)
                Assert.Equal(members.Average(row => (double)rows[row * dim + i]), centroids[c * dim + i], 1e-5);
        }
    }

    [Fact]
    public void EachIterationBringsRowsNearer()
    {
        const int Count = 2000, Dim = 16, Clusters = 40;
        float[] rows = RandomData.Normal(Count * Dim, 3);
        double before = double.PositiveInfinity;
        for (int iterations = 1; iterations <= 8; iterations++)
        {
            (float[] centroids, int[] assignment) = Run(rows, Dim, Clusters, iterations);
            double distance = Distance(rows, centroids, assignment, Dim);
            Assert.True(distance <= before * (1 + 1e-6), $"iteration {iterations}: {distance} after {before}");
            before = distance;
        }
        // Random rows at a uniform stride are a fair start; refinement must still show.
        (float[] first, int[] firstAssignment) = Run(rows, Dim, Clusters, 1);
        Assert.True(before < 0.97 * Distance(rows, first, firstAssignment, Dim));
    }

    [Fact]
    public void SeparateHeapsAreFound()
    {
        const int Heap = 50, Dim = 8, Heaps = 6;
        float[] rows = RandomData.Normal(Heaps * Heap * Dim, 4, 0.01f);
        for (int row = 0; row < Heaps * Heap; row++)
            rows[row * Dim + row / Heap] += 10;
        (_, int[] assignment) = Run(rows, Dim, Heaps);
        Assert.Equal(Heaps, assignment.Distinct().Count());
        for (int row = 0; row < Heaps * Heap; row++)
            Assert.Equal(assignment[row / Heap * Heap], assignment[row]);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(63)]
    [InlineData(500)]
    public void TwoRunsGiveTheSameBits(int count)
    {
        float[] rows = RandomData.Normal(count * 64, count);
        (float[] centroids, int[] assignment) = Run(rows, 64, Math.Max(1, count / 10));
        (float[] Centroids, int[] Assignment) again = Run([.. rows], 64, Math.Max(1, count / 10));
        Assert.Equal(centroids, again.Centroids);
        Assert.Equal(assignment, again.Assignment);
    }

    /// <summary>Equal rows all go to one cluster; the others are empty and keep their place, which is that row.</summary>
    [Fact]
    public void DuplicatesLeaveClustersEmpty()
    {
        const int Count = 300, Dim = 16, Clusters = 20;
        float[] one = [.. Enumerable.Range(0, Dim).Select(i => i - 3f)];
        (float[] centroids, int[] assignment) = Run([.. Enumerable.Repeat(one, Count).SelectMany(row => row)], Dim, Clusters);
        Assert.All(assignment, cluster => Assert.Equal(assignment[0], cluster));
        for (int c = 0; c < Clusters; c++)
            Assert.Equal(one, centroids[(c * Dim)..((c + 1) * Dim)], (a, b) => Math.Abs(a - b) < 1e-5);
    }

    [Fact]
    public void MoreClustersThanDistinctRowsGiveEachRowItsOwn()
    {
        const int Dim = 16;
        float[] rows = RandomData.Normal(5 * Dim, 6);
        foreach (int clusters in (int[])[5, 8, 23])
        {
            (float[] centroids, int[] assignment) = Run(rows, Dim, clusters);
            Assert.Equal(5, assignment.Distinct().Count());
            Assert.Equal(clusters * Dim, centroids.Length);
            Assert.InRange(Distance(rows, centroids, assignment, Dim), 0, 1e-10);
        }
    }

    [Fact]
    public void ZerosAreOneCluster()
    {
        (float[] centroids, int[] assignment) = Run(new float[100 * 8], 8, 10);
        Assert.Equal(new float[80], centroids);
        Assert.Single(assignment.Distinct());
    }

    private static (float[] Centroids, int[] Assignment) Run(float[] rows, int dim, int clusters, int iterations = 6)
    {
        var assignment = new int[rows.Length / dim];
        return (KMeans.Run(rows, rows.Length / dim, dim, clusters, iterations, assignment), assignment);
    }

    /// <summary>Sum of squared distances of rows to their centroids.</summary>
    private static double Distance(float[] rows, float[] centroids, int[] assignment, int dim)
    {
        double sum = 0;
        for (int i = 0; i < rows.Length; i++)
            sum += Math.Pow(rows[i] - centroids[assignment[i / dim] * dim + i % dim], 2);
        return sum;
    }
}
