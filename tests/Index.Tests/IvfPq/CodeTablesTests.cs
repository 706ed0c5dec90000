using Retrieval.Index.Kernels;
using Retrieval.TestKit;
using Xunit;

namespace Retrieval.Index.Tests.IvfPq;

public sealed unsafe class CodeTablesTests
{
    private const int Centroids = ProductQuantizer.Centroids;
    private const float LogCount = 5;

    /// <summary>Any code's logit comes back to half a step of each table, and steps are as small as bytes allow.</summary>
    [Theory]
    [InlineData(8, 4)]
    [InlineData(16, 4)]
    [InlineData(64, 4)]
    [InlineData(80, 4)]
    [InlineData(128, 4)]
    [InlineData(64, 1)]
    public void SumsOfEntriesAreDotProductsWithCentroids(int dim, int axesPerCode)
    {
        const int Group = 3;
        MemoryRows keys = Heads.Keys(1000, dim);
        IvfPqCodec codec = IvfPqIndex.Build(keys, Heads.Values(1000, dim), 0, 1000, Heads.Moments(dim), new IvfPqOptions { AxesPerCode = axesPerCode }).Codec;
        int subspaces = codec.Quantizer.Subspaces, bytes = CodeScan.TableBytes(subspaces);
        float[] x = RandomData.Normal(Group * dim, dim);
        // A query without direction: all its entries are 0.
        x.AsSpan(dim, dim).Clear();
        (byte[] tables, float[] offset, float[] scale) = Build(codec, x, Group);
        for (int g = 0; g < Group; g++)
        {
            float gain;
            fixed (float* query = &x[g * dim])
                gain = ListScores.Gain(codec.Noise(query), LogCount);
            double widest = 0;
            var random = new Random(g);
            int[] codes = [.. Enumerable.Range(0, subspaces).Select(_ => random.Next(Centroids))];
            double expected = gain, sum = 0;
            for (int s = 0; s < subspaces; s++)
            {
                double[] dots = [.. Enumerable.Range(0, Centroids).Select(c => Dot(codec.Quantizer, x.AsSpan(g * dim, dim), s, c))];
                widest = Math.Max(widest, dots.Max() - dots.Min());
                byte[] table = tables[(g * bytes + s * Centroids)..(g * bytes + (s + 1) * Centroids)];
                for (int c = 0; c < Centroids; c++)
                    Assert.InRange(Math.Abs(dots[c] - dots.Min() - (double)scale[g] * table[c]), 0, scale[g] * 0.501 + 1e-5);
                expected += dots[codes[s]];
                sum += table[codes[s]];
            }
            Assert.Equal(widest / CodeScan.MostOfEntry, scale[g], 1e-6 * (1 + widest));
            Assert.Equal(expected, offset[g] + scale[g] * sum, subspaces * (scale[g] * 0.501 + 1e-5));
            Assert.Equal(widest > 0 ? CodeScan.MostOfEntry : 0, tables[(g * bytes)..((g + 1) * bytes)].Max());
        }
    }

    private static double Dot(ProductQuantizer quantizer, ReadOnlySpan<float> x, int s, int c)
    {
        int start = quantizer.Starts[s], width = quantizer.Starts[s + 1] - start;
        double dot = 0;
        for (int i = 0; i < width; i++)
            dot += (double)x[start + i] * quantizer.Codebooks[s][c * width + i];
        return dot;
    }

    private static (byte[] Tables, float[] Offset, float[] Scale) Build(IvfPqCodec codec, float[] x, int group)
    {
        using var queries = new GuardedMemory<float>(x);
        using var tables = new GuardedMemory<byte>(group * CodeScan.TableBytes(codec.Quantizer.Subspaces));
        using var offset = new GuardedMemory<float>(group);
        using var scale = new GuardedMemory<float>(group);
        CodeTables.Build(codec, queries.Pointer, group, LogCount, tables.Pointer, offset.Pointer, scale.Pointer);
        return (tables.Span.ToArray(), offset.Span.ToArray(), scale.Span.ToArray());
    }
}
