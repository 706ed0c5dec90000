using Retrieval.TestKit;
using Xunit;

namespace Retrieval.Index.Tests.IvfPq;

public sealed class QueryMetricTests
{
    private const int Dim = 32;

    /// <summary>x · z = q · k for any query and key, also those unlike the sample.</summary>
    [Theory]
    [InlineData(1)]
    [InlineData(1e-3f)]
    [InlineData(300)]
    public void DotProductsStayWhatTheyAre(float scale)
    {
        QueryMetric metric = QueryMetric.From(Moments(Queries(200, scale)));
        for (int seed = 0; seed < 10; seed++)
        {
            float[] query = RandomData.Normal(Dim, 100 + seed), key = RandomData.Normal(Dim, 200 + seed);
            double[] x = Query(metric, query), z = Key(metric, key);
            double expected = Dot(query, key), magnitude = Enumerable.Range(0, Dim).Sum(i => Math.Abs(x[i] * z[i]));
            Assert.Equal(expected, Enumerable.Range(0, Dim).Sum(i => x[i] * z[i]), 1e-11 * magnitude);
        }
    }

    /// <summary>|z − z'|² is the mean squared difference of the sample's logits, and a little more for directions no query had.</summary>
    [Fact]
    public void DistancesAreExpectedDifferencesOfLogits()
    {
        float[] queries = Queries(300, 1);
        QueryMetric metric = QueryMetric.From(Moments(queries));
        double trace = queries.Sum(x => (double)x * x) / 300;
        for (int seed = 0; seed < 10; seed++)
        {
            float[] difference = RandomData.Normal(Dim, seed);
            double distance = Key(metric, difference).Sum(x => x * x);
            double expected = Enumerable.Range(0, 300).Average(n => Math.Pow(Dot(queries.AsSpan(n * Dim, Dim), difference), 2));
            double square = Dot(difference, difference);
            // The largest eigenvalue is at most the trace and at least a part of it.
            Assert.InRange(distance, expected * (1 - 1e-5), expected * (1 + 1e-5) + 1e-3 * trace * square);
            Assert.True(distance > expected * (1 - 1e-5) + 1e-3 * trace / Dim * square * 0.9);
        }
    }

    [Fact]
    public void WithoutQueriesTheMetricIsEuclidean()
    {
        foreach (float[] queries in (float[][])[[], new float[5 * Dim]])
        {
            QueryMetric metric = QueryMetric.From(Moments(queries));
            float[] key = RandomData.Normal(Dim, 1);
            Assert.Equal(key.Select(x => (double)x), Key(metric, key));
            Assert.Equal(key.Select(x => (double)x), Query(metric, key));
        }
    }

    /// <summary>Queries of one direction only: others still tell keys apart, and nothing overflows.</summary>
    [Fact]
    public void QueriesOfOneDirectionAreEnough()
    {
        var queries = new float[4 * Dim];
        for (int n = 0; n < 4; n++)
            (queries[n * Dim], queries[n * Dim + 1]) = (n + 1, -n - 1); // orthogonal to (1, …, 1)
        QueryMetric metric = QueryMetric.From(Moments(queries));
        Assert.All([.. metric.Factor, .. metric.Inverse], x => Assert.True(double.IsFinite(x) && Math.Abs(x) < 1e4));
        for (int axis = 2; axis < Dim; axis++)
        {
            var unit = new float[Dim];
            unit[axis] = 1;
            Assert.InRange(Key(metric, unit).Sum(x => x * x), 1e-6, 1);
        }
    }

    [Fact]
    public void MomentsAreSumsAndACopyStays()
    {
        float[] queries = Queries(7, 1);
        var moments = new QueryMoments(Dim);
        moments.Add(queries.AsSpan(0, 3 * Dim));
        QueryMoments copy = moments.Copy();
        moments.Add(queries.AsSpan(3 * Dim));
        moments.Add([]);
        Assert.Equal((7, 3, Dim), (moments.Count, copy.Count, moments.Dim));
        for (int i = 0; i < Dim * Dim; i++)
        {
            double[] products = [.. Enumerable.Range(0, 7).Select(n => (double)queries[n * Dim + i / Dim] * queries[n * Dim + i % Dim])];
            Assert.Equal(products.Sum(), moments.Sum[i], 1e-5);
            Assert.Equal(products[..3].Sum(), copy.Sum[i], 1e-5);
        }
    }

    [Theory]
    [InlineData(16, 32)]
    [InlineData(64, 100)]
    [InlineData(24, 70)]
    public void MomentsOfManyQueriesAreThoseOfEach(int dim, int count)
    {
        float[] queries = RandomData.Normal(count * dim, dim);
        QueryMoments together = new(dim), each = new(dim);
        together.Add(queries);
        for (int i = 0; i < count; i++)
            each.Add(queries.AsSpan(i * dim, dim));
        Assert.Equal(each.Count, together.Count);
        for (int i = 0; i < dim * dim; i++)
            Assert.Equal(each.Sum[i], together.Sum[i], 1e-4f);
    }

    private static QueryMoments Moments(float[] queries)
    {
        var moments = new QueryMoments(Dim);
        moments.Add(queries);
        return moments;
    }

    /// <summary>Queries with an offset and axes of different size.</summary>
    private static float[] Queries(int count, float scale)
    {
        float[] queries = RandomData.Normal(count * Dim, count);
        for (int i = 0; i < queries.Length; i++)
            queries[i] = scale * (queries[i] * (i % Dim < 4 ? 3 : 0.2f) + (i % Dim == 5 ? 2 : 0));
        return queries;
    }

    private static double[] Key(QueryMetric metric, float[] key)
        => [.. Enumerable.Range(0, Dim).Select(j => Enumerable.Range(0, Dim).Sum(i => key[i] * metric.Factor[i * Dim + j]))];

    private static double[] Query(QueryMetric metric, float[] query)
        => [.. Enumerable.Range(0, Dim).Select(i => Enumerable.Range(0, Dim).Sum(j => metric.Inverse[i * Dim + j] * query[j]))];

    private static double Dot(ReadOnlySpan<float> a, ReadOnlySpan<float> b)
    {
        double sum = 0;
        for (int i = 0; i < a.Length; i++)
            sum += (double)a[i] * b[i];
        return sum;
    }
}
