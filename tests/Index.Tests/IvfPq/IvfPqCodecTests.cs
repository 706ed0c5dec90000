using Retrieval.TestKit;
using Xunit;

namespace Retrieval.Index.Tests.IvfPq;

public sealed unsafe class IvfPqCodecTests
{
    public static TheoryData<int> Dims => [16, 64, 80, 128];

    [Theory]
    [MemberData(nameof(Dims))]
    public void CoordinatesKeepDotProducts(int dim)
    {
        IvfPqCodec codec = Fit(dim);
        float[] queries = Heads.Queries(4, dim, 77), key = Heads.Keys(1, dim, 78).Values;
        var x = new float[4 * dim];
        fixed (float* target = x)
            codec.Transform(queries, target);
        var z = new double[dim];
        for (int i = 0; i < dim; i++)
        {
            for (int j = 0; j < dim; j++)
                z[j] += (double)key[i] * codec.KeyTransform[i * dim + j];
        }
        for (int g = 0; g < 4; g++)
        {
            double expected = 0, actual = 0, magnitude = 0;
            for (int i = 0; i < dim; i++)
            {
                expected += (double)queries[g * dim + i] * key[i];
                actual += x[g * dim + i] * z[i];
                magnitude += Math.Abs(x[g * dim + i] * z[i]);
            }
            Assert.Equal(expected, actual, 1e-5 * magnitude);
        }
    }

    [Theory]
    [MemberData(nameof(Dims))]
    public void AxesFallInVarianceAndCodesTakeMostOfIt(int dim)
    {
        IvfPqCodec codec = Fit(dim);
        Assert.Equal(codec.Variances.OrderDescending(), codec.Variances);
        Assert.True(codec.Variances[^1] >= 0 && codec.Variances[0] > 0);
        Assert.All(codec.CodeNoise, noise => Assert.True(noise >= 0));
        Assert.InRange(codec.CodeNoise.Sum() / codec.Variances.Sum(), 0.001, 0.7);
    }

    [Theory]
    [MemberData(nameof(Dims))]
    public void BandsCoverAllAxes(int dim)
    {
        int[] starts = Fit(dim).BandStarts;
        Assert.Equal(IvfPqCodec.Bands + 1, starts.Length);
        Assert.Equal((0, dim), (starts[0], starts[^1]));
        Assert.Equal(starts.Distinct().Order(), starts);
    }

    /// <summary>Without a sample of queries, or with keys that do not vary, there are still finite numbers.</summary>
    [Fact]
    public void NothingToLearnFromGivesFiniteNumbers()
    {
        const int Dim = 32;
        MemoryRows zeros = new(new float[100 * Dim], Dim), keys = Heads.Keys(100, Dim);
        foreach (IvfPqCodec codec in (IvfPqCodec[])[Fit(keys, new QueryMoments(Dim)), Fit(zeros, Heads.Moments(Dim)), Fit(zeros, new QueryMoments(Dim))])
        {
            Assert.All(
                [.. codec.KeyTransform, .. codec.QueryTransform, .. codec.Variances, .. codec.CodeNoise, .. codec.Quantizer.Codebooks.SelectMany(c => c)],
                value => Assert.True(float.IsFinite(value)));
        }
    }

    private static IvfPqCodec Fit(int dim) => Fit(Heads.Keys(2000, dim), Heads.Moments(dim));

    private static IvfPqCodec Fit(MemoryRows keys, QueryMoments queries)
        => IvfPqIndex.Build(keys, Heads.Values(keys.Count, keys.Dim), 0, keys.Count, queries, new IvfPqOptions()).Codec;
}
