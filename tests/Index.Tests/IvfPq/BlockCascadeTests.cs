using Retrieval.TestKit;
using Xunit;

namespace Retrieval.Index.Tests.IvfPq;

public sealed class BlockCascadeTests
{
    private static readonly BlockBudget Everything = new(int.MaxValue, int.MaxValue, 0, 0);
    private static readonly IvfPqOptions Small = new() { SegmentRows = 512, RowsPerList = 32 };

    /// <summary>With budget for everything it is attention over the rows of the segments, as they are stored.</summary>
    [Theory]
    [InlineData(1, 64, 1, 1)]
    [InlineData(17, 80, 2, 3)]
    [InlineData(600, 64, 3, 5)]
    [InlineData(2500, 64, 3, 33)]
    [InlineData(1500, 16, 5, 7)]
    [InlineData(1100, 128, 4, 2)]
    public void WithBudgetForEverythingItIsFullAttention(int count, int dim, int group, int tokens)
    {
        foreach (bool halves in (bool[])[true, false])
        {
            using PackedIndex packed = Pack(count, dim, halves);
            float[] queries = Heads.Queries(tokens * group, dim);
            for (int segments = packed.Index.Segments.Count; segments > 0; segments /= 2)
            {
                Attention full = Attention.Full(packed.Keys, packed.Values, 0, packed.Index.EndOf(segments), queries);
                foreach (float resident in (float[])[float.NegativeInfinity, -5, full.LogSumExp.Max() + 3])
                    AssertNear(full, Run(packed, segments, queries, tokens, Everything, resident), 1e-4, $"{segments} segments, resident {resident}");
            }
        }
    }

    [Fact]
    public void MoreBudgetIsNearerToFullAttention()
    {
        using PackedIndex packed = Pack(4000, 64, halves: false);
        float[] queries = Heads.Queries(30, 64);
        Attention full = Attention.Full(packed.Keys, packed.Values, 0, 4000, queries);
        BlockBudget[] budgets = [new(1, 1, 0, 0), new(1000, 30, 0, 0), new(4000, 400, 0, 0), new(4000, 2000, 0, 0), Everything];
        double[] errors = [.. budgets.Select(budget => Run(packed, packed.Index.Segments.Count, queries, 10, budget).Errors(full.Output).Average())];
        for (int i = 1; i < errors.Length; i++)
            Assert.True(errors[i] < 0.9 * errors[i - 1], string.Join(", ", errors.Select(e => e.ToString("g3"))));
        // Even where next to nothing is read, every row is estimated: dropping them would leave an error of 1.
        Assert.True(errors[0] < 0.9, $"{errors[0]}");
    }

    /// <summary>Shares stop before budgets do, and what weighs little is not missed.</summary>
    [Fact]
    public void ListsAndRowsBelowTheirSharesAreOnlyEstimated()
    {
        using PackedIndex packed = Pack(4000, 64, halves: false);
        float[] queries = Heads.Queries(30, 64);
        Attention full = Attention.Full(packed.Keys, packed.Values, 0, 4000, queries);
        int segments = packed.Index.Segments.Count;
        double[] errors = [.. ((float[])[0, 1e-4f, 1e-3f, 0.99f]).Select(Error)];
        Assert.InRange(errors[0], 0, 1e-4);
        for (int i = 1; i < errors.Length; i++)
            Assert.True(errors[i] > 1.2 * errors[i - 1], string.Join(", ", errors.Select(e => e.ToString("g3"))));

        double Error(float share) => Run(packed, segments, queries, 10, Everything with { ListShare = share, RowShare = share }).Errors(full.Output).Average();
    }

    /// <summary>A token's result does not depend on those beside it.</summary>
    [Fact]
    public void TokensDoNotMix()
    {
        const int Tokens = 21, Group = 3, Dim = 64;
        using PackedIndex packed = Pack(3000, Dim, halves: false);
        float[] queries = Heads.Queries(Tokens * Group, Dim);
        var budget = new BlockBudget(1000, 50, 1e-4f, 1e-4f);
        Attention together = Run(packed, packed.Index.Segments.Count, queries, Tokens, budget, -2);
        for (int token = 0; token < Tokens; token += 5)
        {
            Attention alone = Run(packed, packed.Index.Segments.Count, queries[(token * Group * Dim)..((token + 1) * Group * Dim)], 1, budget, -2);
            Assert.Equal(alone.Output, together.Output[(token * Group * Dim)..((token + 1) * Group * Dim)], (a, b) => Math.Abs(a - b) < 1e-4);
            Assert.Equal(alone.LogSumExp, together.LogSumExp[(token * Group)..((token + 1) * Group)], (a, b) => Math.Abs(a - b) < 1e-4);
        }
    }

    /// <summary>Logits that differ by a hundred nats leave finite numbers, and exact ones where everything is read.</summary>
    [Theory]
    [InlineData(10)]
    [InlineData(30)]
    public void SharpQueries(float sharpness)
    {
        var moments = new QueryMoments(64);
        for (int token = 0; token < 60; token++)
            moments.Add([.. Heads.Queries(3, 64, 1000 + token).Select(x => x * sharpness)]);
        using var packed = new PackedIndex(Heads.Keys(3000, 64), Heads.Values(3000, 64), 0, moments, true, Small);
        float[] queries = [.. Heads.Queries(12, 64).Select(x => x * sharpness)];
        Attention full = Attention.Full(packed.Keys, packed.Values, 0, 3000, queries);
        int segments = packed.Index.Segments.Count;
        AssertNear(full, Run(packed, segments, queries, 4, Everything), 2e-3, "everything");
        foreach (BlockBudget budget in (BlockBudget[])[new(1, 1, 0, 0), new(500, 20, 1e-4f, 1e-4f), new(3000, 300, 0, 0)])
        {
            Attention some = Run(packed, segments, queries, 4, budget);
            Assert.All([.. some.Output, .. some.LogSumExp], x => Assert.True(float.IsFinite(x)));
        }
    }

    /// <summary>Of two rows whose weights, relative to what lists promise, are no floats, the heavier one, in a head that is not sharp.</summary>
    [Theory]
    [InlineData(20)]
    [InlineData(100)]
    [InlineData(1000)]
    public void AnOutlierWithAnEnormousLogitIsFound(float logit)
    {
        const int Count = 3000, Dim = 64, Row = 1234, Lighter = 300, Group = 3;
        MemoryRows keys = Heads.Keys(Count, Dim);
        float[] queries = Heads.Queries(2 * Group, Dim);
        double square = queries[..Dim].Sum(x => (double)x * x);
        for (int i = 0; i < Dim; i++)
        {
            keys.Values[Row * Dim + i] = (float)(Half)(queries[i] * logit / square);
            keys.Values[Lighter * Dim + i] = (float)(Half)(queries[i] * (0.7f * logit) / square);
        }
        // Lists so long that these rows do not have any of their own.
        using var packed = new PackedIndex(keys, Heads.Values(Count, Dim), 0, Heads.Moments(Dim), halves: true, new IvfPqOptions { SegmentRows = 512, RowsPerList = 512 });
        Assert.False(packed.Index.Codec.Sharp);
        Attention full = Attention.Full(packed.Keys, packed.Values, 0, Count, queries), found = Run(packed, packed.Index.Segments.Count, queries, 2, new BlockBudget(Count / 2, 1, 0, 0));
        Assert.All(found.Output, x => Assert.True(float.IsFinite(x)));
        Assert.Equal(full.LogSumExp[0], found.LogSumExp[0], 1e-3 * logit);
        double error = found.Errors(full.Output)[0];
        Assert.True(error < 0.02, $"error {error:g3}");
    }

    private static PackedIndex Pack(int count, int dim, bool halves)
        => new(Heads.Keys(count, dim), Heads.Values(count, dim), 0, Heads.Moments(dim), halves, Small);

    private static unsafe Attention Run(PackedIndex packed, int segments, float[] queries, int tokens, BlockBudget budget, float resident = float.NegativeInfinity)
    {
        int rows = queries.Length / packed.Keys.Dim;
        using var input = new GuardedMemory<float>(queries);
        using var residents = new GuardedMemory<float>([.. Enumerable.Repeat(resident, rows)]);
        using var output = new GuardedMemory<float>(queries.Length);
        using var logSumExp = new GuardedMemory<float>(rows);
        output.Span.Fill(float.NaN);
        logSumExp.Span.Fill(float.NaN);
        new BlockCascade().Run(packed.Index, packed.Rows, segments, input.Pointer, tokens, rows / tokens, residents.Pointer, budget, output.Pointer, logSumExp.Pointer);
        return new Attention([.. output.Span.ToArray()], [.. logSumExp.Span.ToArray()], default);
    }

    private static void AssertNear(Attention expected, Attention actual, double tolerance, string where)
    {
        for (int i = 0; i < expected.Output.Length; i++)
        {
            if (!(Math.Abs(expected.Output[i] - (double)actual.Output[i]) <= tolerance))
                Assert.Fail($"{where}: element {i} is {actual.Output[i]} where {expected.Output[i]} is right");
        }
        for (int g = 0; g < expected.LogSumExp.Length; g++)
        {
            if (!(Math.Abs(expected.LogSumExp[g] - (double)actual.LogSumExp[g]) <= tolerance * Math.Max(1, Math.Abs(expected.LogSumExp[g]))))
                Assert.Fail($"{where}: log-sum-exp of query {g} is {actual.LogSumExp[g]} where {expected.LogSumExp[g]} is right");
        }
    }
}
