using Retrieval.TestKit;
using Xunit;

namespace Retrieval.Offload.Tests;

public sealed unsafe class HostAttentionTests
{
    private const int KvHeads = 2;

    private static readonly (int First, int End)[] Ranges =
        [(0, 0), (0, 1), (5, 8), (0, 64), (3, 68), (500, 530), (511, 513), (0, 1200), (700, 700)];

    public static TheoryData<int, int> Shapes
    {
        get
        {
            var shapes = new TheoryData<int, int>();
            foreach (int dim in (int[])[8, 16, 64, 80, 128])
            {
                foreach (int group in (int[])[1, 2, 3, 7])
                    shapes.Add(dim, group);
            }
            return shapes;
        }
    }

    [Theory]
    [MemberData(nameof(Shapes))]
    public void ContiguousRowsEqualTheDefinition(int dim, int group)
    {
        var kv = new RandomKv(1200, KvHeads, dim, dim + group);
        using KvStore store = kv.Store();
        foreach ((int first, int end) in Ranges)
        {
            Check(kv, store, dim, group, [.. Enumerable.Range(first, end - first)], (queries, head, partial) =>
                HostAttention.Attend(store, 0, head, first, end, queries, partial));
        }
    }

    [Theory]
    [MemberData(nameof(Shapes))]
    public void ChosenRowsEqualTheDefinition(int dim, int group)
    {
        var kv = new RandomKv(1200, KvHeads, dim, dim + group);
        using KvStore store = kv.Store();
        var random = new Random(dim);
        foreach (int count in (int[])[0, 1, 17, 64, 65, 300])
        {
            int[] rows = [.. Enumerable.Range(0, 1200).OrderBy(_ => random.Next()).Take(count).Order()];
            Check(kv, store, dim, group, rows, (queries, head, partial) =>
                HostAttention.Attend(store, 0, head, rows, queries, partial));
        }
    }

    /// <summary>Ranges that begin, end or lie in a segment, in front of it and behind it.</summary>
    [Theory]
    [MemberData(nameof(Shapes))]
    public void PackedRowsBetweenOthersEqualTheDefinition(int dim, int group)
    {
        const int First = 300, Count = 401;
        var kv = new RandomKv(1200, KvHeads, dim, dim + group);
        using var store = new KvStore(new KvLayout(1, KvHeads, dim, RowFormat.F16));
        kv.Append(store, 0, 0, 1200);
        ushort[] order = [.. Enumerable.Range(0, Count).Select(i => (ushort)i)];
        store.Pack(0, First, Count, [.. Enumerable.Repeat(order, KvHeads)]);
        foreach ((int first, int end) in ((int, int)[])[(0, 1200), (250, 310), (299, 301), (310, 650), (690, 740), (300, 701), (700, 702), (0, 300), (701, 1200)])
        {
            Check(kv, store, dim, group, [.. Enumerable.Range(first, end - first)], (queries, head, partial) =>
                HostAttention.Attend(store, 0, head, first, end, queries, partial));
        }
    }

    /// <summary>Queries too large for halves that are read as they are: keys of 0 stay 0.</summary>
    [Fact]
    public void HugeQueriesGiveNumbers()
    {
        const int Dim = 16;
        var kv = new RandomKv(100, 1, Dim);
        for (int i = 0; i < 100; i++)
            kv.Keys.AsSpan(i * Dim + 1, Dim - 1).Clear();
        using KvStore store = kv.Store();
        float[] query = [.. Enumerable.Range(0, Dim).Select(i => i == 0 ? 1e-3f : 1e6f)];
        using var memory = new GuardedMemory<float>(AttentionPartial.Floats(1, Dim));
        var partial = new AttentionPartial(memory.Pointer, 1, Dim);
        fixed (float* q = query)
            HostAttention.Attend(store, 0, 0, 0, 100, q, partial);
        (double[] output, double logSumExp) = kv.Attend(query, 0, [.. Enumerable.Range(0, 100)]);
        Assert.Equal(logSumExp, partial.LogSumExp[0], 1e-5);
        for (int i = 0; i < Dim; i++)
            Assert.Equal(output[i], partial.Output[i], 1e-5);
    }

    /// <summary>One row far ahead of all others, arriving last: earlier sums must fade to nothing without a NaN.</summary>
    [Fact]
    public void AnOverwhelmingLastRowTakesAll()
    {
        var kv = new RandomKv(200, 1, 16);
        for (int i = 0; i < 16; i++)
            kv.Keys[199 * 16 + i] = 300;
        using KvStore store = kv.Store();
        float[] query = [.. Enumerable.Repeat(3f, 16)];
        using var memory = new GuardedMemory<float>(AttentionPartial.Floats(1, 16));
        var partial = new AttentionPartial(memory.Pointer, 1, 16);
        fixed (float* q = query)
            HostAttention.Attend(store, 0, 0, 0, 200, q, partial);
        Assert.Equal(kv.Values[^16..], new Span<float>(partial.Output, 16).ToArray());
        Assert.Equal(14400, partial.LogSumExp[0]);
    }

    private delegate void Attention(float* queries, int head, AttentionPartial partial);

    private static void Check(RandomKv kv, KvStore store, int dim, int group, int[] rows, Attention attend)
    {
        Assert.Equal(1200, store.Length(0));
        float[] queries = RandomData.Normal(group * dim, rows.Length, 2 / MathF.Sqrt(dim));
        using var guarded = new GuardedMemory<float>(queries);
        using var memory = new GuardedMemory<float>(AttentionPartial.Floats(group, dim));
        for (int head = 0; head < KvHeads; head++)
        {
            // Left over from an earlier use: must not show.
            memory.Span.Fill(float.NaN);
            var partial = new AttentionPartial(memory.Pointer, group, dim);
            attend(guarded.Pointer, head, partial);
            for (int g = 0; g < group; g++)
            {
                (double[] output, double logSumExp) = kv.Attend(queries.AsSpan(g * dim, dim), head, rows);
                if (rows.Length == 0)
                    Assert.Equal(float.NegativeInfinity, partial.LogSumExp[g]);
                else
                    Assert.Equal(logSumExp, partial.LogSumExp[g], 1e-5);
                for (int i = 0; i < dim; i++)
                    Assert.Equal(output[i], partial.Output[g * dim + i], 1e-5);
            }
        }
    }
}
