using System.Numerics.Tensors;
using Retrieval.Offload;
using Retrieval.Scenarios.Frontier;
using Xunit;

namespace Retrieval.Bench.Tests;

public sealed unsafe class RetroInferTests
{
    private const int Rows = 256;
    private const int Dim = 16;

    [Theory]
    [InlineData(RowFormat.F16, 2e-3)]
    [InlineData(RowFormat.I8, 3e-2)]
    public void The_estimate_is_exact_where_the_keys_of_a_cluster_are_equal(RowFormat format, double tolerance)
    {
        // Sixteen rows of each key, and the clustering starts from one of each.
        (float[] keys, float[] values) = Random(row => row / 16);
        var index = new RetroInferIndex(keys, values, Dim, format);
        Assert.Equal(16, index.Clusters);
        (float[] output, float logSumExp) = Estimate(index, Query(), [.. Enumerable.Range(0, index.Clusters)]);
        (float[] exact, float exactLogSumExp) = Attend(keys, values, Query());
        Assert.InRange(TensorPrimitives.Distance<float>(output, exact) / TensorPrimitives.Norm<float>(exact), 0, tolerance);
        Assert.InRange(Math.Abs(logSumExp - exactLogSumExp), 0, tolerance);
    }

    [Fact]
    public void The_estimated_mass_never_exceeds_the_real_one()
    {
        (float[] keys, float[] values) = Random(row => row);
        var index = new RetroInferIndex(keys, values, Dim, RowFormat.F16);
        (_, float estimate) = Estimate(index, Query(), [.. Enumerable.Range(0, index.Clusters)]);
        (_, float exact) = Attend(keys, values, Query());
        Assert.True(estimate < exact, $"{estimate} < {exact}");
    }

    [Fact]
    public void Clusters_hold_every_row_once_and_their_means_and_sums()
    {
        (float[] keys, float[] values) = Random(row => row);
        var index = new RetroInferIndex(keys, values, Dim, RowFormat.F16);
        Assert.Equal(Enumerable.Range(0, Rows), index.Order.Select(row => (int)row).Order());
        Assert.Equal((0, Rows), (index.Starts[0], index.Starts[^1]));
        for (int cluster = 0; cluster < index.Clusters; cluster++)
        {
            int[] rows = [.. Enumerable.Range(index.Starts[cluster], index.Size(cluster)).Select(place => (int)index.Order[place])];
            Assert.NotEmpty(rows);
            for (int i = 0; i < Dim; i++)
            {
                Assert.Equal(rows.Average(row => keys[row * Dim + i]), index.Centroids[cluster * Dim + i], 2e-3);
                Assert.Equal(rows.Sum(row => values[row * Dim + i]), index.ValueSums[cluster * Dim + i], 2e-2);
            }
        }
    }

    [Fact]
    public void Nothing_to_estimate_is_the_empty_partial()
    {
        (float[] keys, float[] values) = Random(row => row);
        (float[] output, float logSumExp) = Estimate(new RetroInferIndex(keys, values, Dim, RowFormat.F16), Query(), []);
        Assert.True(float.IsNegativeInfinity(logSumExp));
        Assert.All(output, element => Assert.Equal(0, element));
    }

    private static (float[] Keys, float[] Values) Random(Func<int, int> keyOf)
    {
        var random = new Random(5);
        float[] distinct = [.. Enumerable.Range(0, Rows * Dim).Select(_ => random.NextSingle() * 2 - 1)];
        float[] values = [.. Enumerable.Range(0, Rows * Dim).Select(_ => random.NextSingle() * 2 - 1)];
        return ([.. Enumerable.Range(0, Rows * Dim).Select(i => distinct[keyOf(i / Dim) * Dim + i % Dim])], values);
    }

    private static float[] Query()
    {
        var random = new Random(9);
        return [.. Enumerable.Range(0, Dim).Select(_ => random.NextSingle() * 2 - 1)];
    }

    private static (float[] Output, float LogSumExp) Estimate(RetroInferIndex index, float[] query, int[] clusters)
    {
        float[] logits = [.. Enumerable.Range(0, index.Clusters).Select(c => TensorPrimitives.Dot(query, index.Centroids.AsSpan(c * Dim, Dim)))];
        var memory = new PartialMemory(1, Dim);
        RetroInferEstimate.Compute(index, logits, index.Clusters, clusters, memory.Partial);
        float[] output = new ReadOnlySpan<float>(memory.Partial.Output, Dim).ToArray();
        return (output, memory.Partial.LogSumExp[0]);
    }

    /// <summary>Attention by its definition, in double precision.</summary>
    private static (float[] Output, float LogSumExp) Attend(float[] keys, float[] values, float[] query)
    {
        double sum = 0;
        var output = new double[Dim];
        for (int row = 0; row < Rows; row++)
        {
            double weight = Math.Exp(Enumerable.Range(0, Dim).Sum(i => (double)query[i] * keys[row * Dim + i]));
            sum += weight;
            for (int i = 0; i < Dim; i++)
                output[i] += weight * values[row * Dim + i];
        }
        return ([.. output.Select(element => (float)(element / sum))], (float)Math.Log(sum));
    }
}
