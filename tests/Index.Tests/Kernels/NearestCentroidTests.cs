using Retrieval.Index.Kernels;
using Retrieval.TestKit;
using Xunit;

namespace Retrieval.Index.Tests.Kernels;

public sealed unsafe class NearestCentroidTests
{
    private const int Untouched = -7;

    private delegate void Finding(float* columns, int stride, int points, int dim, float* centroids, int count, int* nearest);

    private delegate void Choosing(float* products, int stride, int points, float* halfSquares, int count, int* nearest);

    private static readonly Finding[] FindKernels = [NearestCentroid.Find, NearestCentroid.FindReference];

    private static readonly Choosing[] BestKernels = [NearestCentroid.Best, NearestCentroid.BestReference];

    /// <summary>Against distances in double: the chosen centroid is the nearest, or as near to within rounding.</summary>
    [Theory]
    [MemberData(nameof(Shapes.LengthTheory), MemberType = typeof(Shapes))]
    public void FindsTheNearest(int points)
    {
        foreach (int dim in (int[])[1, 2, 5, 16, 64, 80, 128])
        {
            foreach (int count in (int[])[1, 2, 16, 33])
            {
                int stride = points + dim % 3;
                float[] columns = RandomData.Normal(dim * stride, points), centroids = RandomData.Normal(count * dim, dim);
                double[] least = [.. Enumerable.Range(0, points).Select(p =>
                    Enumerable.Range(0, count).Min(c => Distance(columns, stride, p, centroids, c, dim)))];
                foreach (Finding find in FindKernels)
                {
                    int[] nearest = Find(find, columns, stride, points, dim, centroids, count);
                    for (int p = 0; p < points; p++)
                    {
                        if ((uint)nearest[p] >= count || Distance(columns, stride, p, centroids, nearest[p], dim) > least[p] * (1 + 3e-6))
                            Assert.Fail($"{find.Method.Name}, dim {dim}, {count} centroids, point {p} of {points}: {nearest[p]}");
                    }
                }
            }
        }
    }

    [Theory]
    [MemberData(nameof(Shapes.LengthTheory), MemberType = typeof(Shapes))]
    public void BestIsTheNearestFromDotProducts(int points)
    {
        foreach (int count in (int[])[1, 2, 16, 33, 129])
        {
            int stride = points + count % 3;
            float[] products = RandomData.Normal(count * stride, points), halves = [.. RandomData.Normal(count, count).Select(Math.Abs)];
            for (int c = 3; c < count; c += 5)
                halves[c] = float.PositiveInfinity;
            foreach (Choosing best in BestKernels)
            {
                int[] nearest = Best(best, products, stride, points, halves);
                for (int p = 0; p < points; p++)
                {
                    float[] scores = [.. Enumerable.Range(0, count).Select(c => products[c * stride + p] - halves[c])];
                    Assert.Equal(Array.IndexOf(scores, scores.Max()), nearest[p]);
                }
            }
        }
    }

    /// <summary>In whole vectors and in the rest after them.</summary>
    [Fact]
    public void TiesGoToTheLowerCentroid()
    {
        const int Points = 37, Dim = 4;
        float[] columns = RandomData.Normal(Dim * Points, 1), one = RandomData.Normal(Dim, 2), far = [.. one.Select(x => x + 100)];
        float[] centroids = [.. far, .. one, .. one, .. far];
        foreach (Finding find in FindKernels)
            Assert.All(Find(find, columns, Points, Points, Dim, centroids, 4), c => Assert.Equal(1, c));
        float[] products = [.. Enumerable.Repeat(1f, Points), .. Enumerable.Repeat(2f, 2 * Points)];
        foreach (Choosing best in BestKernels)
            Assert.All(Best(best, products, Points, Points, [0.5f, 0.5f, 0.5f]), c => Assert.Equal(1, c));
    }

    /// <summary>Where squares overflow, or every centroid is excluded, a point still gets a centroid: the first.</summary>
    [Fact]
    public void WhereNoneIsNearTheFirstIsTaken()
    {
        const int Points = 21;
        float[] columns = [.. Enumerable.Repeat(1e30f, Points)];
        foreach (Finding find in FindKernels)
            Assert.All(Find(find, columns, Points, Points, 1, [-1e30f, 0, 1], 3), c => Assert.Equal(0, c));
        foreach (Choosing best in BestKernels)
            Assert.All(Best(best, new float[2 * Points], Points, Points, [float.PositiveInfinity, float.PositiveInfinity]), c => Assert.Equal(0, c));
    }

    private static double Distance(float[] columns, int stride, int point, float[] centroids, int centroid, int dim)
    {
        double sum = 0;
        for (int i = 0; i < dim; i++)
        {
            double difference = (double)columns[i * stride + point] - centroids[centroid * dim + i];
            sum += difference * difference;
        }
        return sum;
    }

    private static int[] Find(Finding find, float[] columns, int stride, int points, int dim, float[] centroids, int count)
    {
        using var guardedColumns = new GuardedMemory<float>(columns);
        using var guardedCentroids = new GuardedMemory<float>(centroids);
        using var nearest = new GuardedMemory<int>(points);
        nearest.Span.Fill(Untouched);
        find(guardedColumns.Pointer, stride, points, dim, guardedCentroids.Pointer, count, nearest.Pointer);
        return nearest.Span.ToArray();
    }

    private static int[] Best(Choosing best, float[] products, int stride, int points, float[] halfSquares)
    {
        using var guardedProducts = new GuardedMemory<float>(products);
        using var guardedHalves = new GuardedMemory<float>(halfSquares);
        using var nearest = new GuardedMemory<int>(points);
        nearest.Span.Fill(Untouched);
        best(guardedProducts.Pointer, stride, points, guardedHalves.Pointer, halfSquares.Length, nearest.Pointer);
        return nearest.Span.ToArray();
    }
}
