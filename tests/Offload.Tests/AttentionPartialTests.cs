using Retrieval.TestKit;
using Xunit;

namespace Retrieval.Offload.Tests;

public sealed unsafe class AttentionPartialTests
{
    private const int Rows = 700;
    private const int Dim = 16;
    private const int Group = 3;

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(5)]
    [InlineData(6)]
    [InlineData(7)]
    [InlineData(8)]
    public void PartsInAnyOrderMergeToTheWhole(int parts)
    {
        for (int seed = 1; seed <= 5; seed++)
            MergesToTheWhole(parts, seed);
    }

    private static void MergesToTheWhole(int parts, int seed)
    {
        var random = new Random(seed * 100 + parts);
        var kv = new RandomKv(Rows, 1, Dim, seed);
        using KvStore store = kv.Store();
        float[] queries = RandomData.Normal(Group * Dim, seed, 0.7f);
        // Every row into one part; with small probability a part gets none. One part holds the heavy rows, another almost nothing.
        List<int>[] rows = [.. Enumerable.Range(0, parts).Select(_ => new List<int>())];
        int[] open = [.. Enumerable.Range(0, parts).Where(_ => random.Next(4) > 0).DefaultIfEmpty(0)];
        for (int row = 0; row < Rows; row++)
            rows[open[row % 5 == 0 ? 0 : random.Next(open.Length)]].Add(row);

        using var memory = new GuardedMemory<float>(parts * AttentionPartial.Floats(Group, Dim));
        List<AttentionPartial> partials = [];
        for (int part = 0; part < parts; part++)
        {
            var partial = new AttentionPartial(memory.Pointer + part * AttentionPartial.Floats(Group, Dim), Group, Dim);
            fixed (float* query = queries)
                HostAttention.Attend(store, 0, 0, rows[part].ToArray(), query, partial);
            partials.Add(partial);
        }
        while (partials.Count > 1)
        {
            int into = random.Next(partials.Count), other = (into + 1 + random.Next(partials.Count - 1)) % partials.Count;
            partials[into].Merge(partials[other]);
            partials.RemoveAt(other);
        }
        for (int g = 0; g < Group; g++)
        {
            (double[] output, double logSumExp) = kv.Attend(queries.AsSpan(g * Dim, Dim), 0, [.. Enumerable.Range(0, Rows)]);
            Assert.Equal(logSumExp, partials[0].LogSumExp[g], 1e-5);
            for (int i = 0; i < Dim; i++)
                Assert.Equal(output[i], partials[0].Output[g * Dim + i], 1e-5);
        }
    }

    [Fact]
    public void AnEmptyPartIsNeutral()
    {
        using var memory = new GuardedMemory<float>(3 * AttentionPartial.Floats(1, 2));
        AttentionPartial some = At(0), empty = At(1), another = At(2);
        empty.Clear();
        another.Clear();
        (some.Output[0], some.Output[1], some.LogSumExp[0]) = (3, 4, -200);
        some.Merge(empty);
        Assert.Equal((3f, 4f, -200f), (some.Output[0], some.Output[1], some.LogSumExp[0]));
        empty.Merge(another);
        Assert.Equal((0f, 0f, float.NegativeInfinity), (empty.Output[0], empty.Output[1], empty.LogSumExp[0]));
        empty.Merge(some);
        Assert.Equal((3f, 4f, -200f), (empty.Output[0], empty.Output[1], empty.LogSumExp[0]));

        AttentionPartial At(int index) => new(memory.Pointer + index * AttentionPartial.Floats(1, 2), 1, 2);
    }

    /// <summary>Logits beyond exp's range on either side of the merge.</summary>
    [Theory]
    [InlineData(1e5f, -1e5f, 1, 1e5f)]
    [InlineData(-1e5f, 1e5f, 2, 1e5f)]
    [InlineData(300f, 300f, 1.5f, 300.6931f)]
    [InlineData(-1e5f, -1e5f, 1.5f, -99999.31f)]
    public void ExtremeLogSumsAreWeighedRight(float first, float second, float output, float logSumExp)
    {
        using var memory = new GuardedMemory<float>(4);
        AttentionPartial a = new(memory.Pointer, 1, 1), b = new(memory.Pointer + 2, 1, 1);
        (a.Output[0], a.LogSumExp[0], b.Output[0], b.LogSumExp[0]) = (1, first, 2, second);
        a.Merge(b);
        Assert.Equal(output, a.Output[0], 1e-6f);
        Assert.Equal(logSumExp, a.LogSumExp[0], 1e-2f);
    }
}
