using Retrieval.TestKit;
using Xunit;

namespace Retrieval.Index.Tests.IvfPq;

public sealed class CascadeTests
{
    // Rounding of logits of some ten units, and of the exponentials and sums over them.
    private const double Rounding = 1e-4;

    private static readonly CascadeBudget Everything = new(int.MaxValue, int.MaxValue, int.MaxValue);
    private static readonly CascadeBudget Smallest = new(1, 1, 1);
    private static readonly IvfPqOptions Small = new() { SegmentRows = 1024, RowsPerList = 32 };

    /// <summary>The contract of the method: with budget for everything it is attention over the rows as they are stored.</summary>
    [Theory]
    [InlineData(1, 64, 3)]
    [InlineData(5, 16, 1)]
    [InlineData(16, 64, 7)]
    [InlineData(17, 80, 2)]
    [InlineData(100, 128, 4)]
    [InlineData(1000, 64, 9)]
    [InlineData(1500, 16, 5)]
    [InlineData(3000, 64, 3)]
    [InlineData(2500, 80, 1)]
    public void WithBudgetForEverythingItIsFullAttention(int count, int dim, int group)
    {
        foreach (bool halves in (bool[])[true, false])
        {
            using PackedIndex packed = Pack(Heads.Keys(count + 5, dim), Heads.Values(count + 5, dim), first: 5, halves);
            float[] queries = Heads.Queries(group, dim);
            Attention full = Full(packed, queries, 5);
            foreach (float resident in (float[])[float.NegativeInfinity, -5, full.LogSumExp.Max() + 3])
            {
                Attention all = packed.Attend(queries, Everything, [.. Enumerable.Repeat(resident, group)]);
                AssertNear(full, all, Rounding, $"{(halves ? 16 : 8)}-bit rows, resident {resident}");
            }
            AssertNear(full, packed.Attend(queries, new CascadeBudget(count, count, count)), Rounding, "budget of exactly all rows");
        }
    }

    [Fact]
    public void MoreBudgetIsNearerToFullAttention()
    {
        using PackedIndex packed = Pack(Heads.Keys(4000, 64), Heads.Values(4000, 64), 0, halves: false);
        float[] queries = Heads.Queries(6, 64);
        Attention full = Full(packed, queries, 0);
        CascadeBudget[] budgets = [Smallest, new(4000, 1, 1), new(4000, 400, 100), new(4000, 4000, 1000), Everything];
        double[] errors = [.. budgets.Select(budget => packed.Attend(queries, budget).Errors(full.Output).Average())];
        for (int i = 1; i < errors.Length; i++)
            Assert.True(errors[i] < 0.9 * errors[i - 1], string.Join(", ", errors.Select(e => e.ToString("g3"))));
        // Even where next to nothing is read, every row is estimated: dropping them would leave an error of 1.
        Assert.True(errors[0] < 0.9, $"{errors[0]}");
    }

    /// <summary>Lists that weigh next to nothing take the mean of all values: where values are equal, nothing is missing from the output.</summary>
    [Theory]
    [InlineData(1)]
    [InlineData(8)]
    public void WhatIsNotReadKeepsItsMass(float factor)
    {
        const int Count = 6000, Dim = 64;
        using PackedIndex packed = Pack(Heads.Keys(Count, Dim), new MemoryRows([.. Enumerable.Repeat(3f, Count * Dim)], Dim), 0, halves: true);
        float[] queries = [.. Heads.Queries(3, Dim).Select(x => x * factor)];
        Attention some = packed.Attend(queries, new CascadeBudget(64, 16, 16));
        Assert.All(some.Output, x => Assert.Equal(3, x, 3 * Rounding));
        long tables = packed.Index.Segments.Sum(segment => (long)segment.PaddedLists) * (Dim + IvfPqCodec.Bands + 2 * sizeof(float));
        long means = packed.Index.Segments.Sum(segment => (long)segment.Lists) * (Dim + sizeof(float));
        Assert.InRange(some.Bytes.Lists, tables, tables + means / 2 + 2 * sizeof(int) * Count);
    }

    [Fact]
    public void BytesAreCountedAndKeptWithinTheBudget()
    {
        using PackedIndex packed = Pack(Heads.Keys(4000, 64), Heads.Values(4000, 64), 0, halves: false);
        float[] queries = Heads.Queries(6, 64);
        var budget = new CascadeBudget(1000, 200, 50);
        CascadeBytes bytes = packed.Attend(queries, budget).Bytes, everything = packed.Attend(queries, Everything).Bytes;
        Assert.InRange(bytes.Keys, 66, 200 * 66);
        Assert.InRange(bytes.Values, 66, 50 * 66);
        // Lists begin with a new block of 16 rows.
        Assert.InRange(bytes.Codes, 8, 2000 * 8);
        Assert.Equal(bytes.Lists + bytes.Codes + bytes.Keys + bytes.Values, bytes.Total);
        Assert.Equal((4000 * 66L, 4000 * 66L), (everything.Keys, everything.Values));
        Assert.True(bytes.Total < everything.Total / 4);
    }

    [Fact]
    public void NoBudgetIsAnEstimateFromTheListsAlone()
    {
        using PackedIndex packed = Pack(Heads.Keys(3000, 64), Heads.Values(3000, 64), 0, halves: false);
        float[] queries = [.. Heads.Queries(4, 64).Select(x => x / 2)];
        Attention full = Full(packed, queries, 0), estimate = packed.Attend(queries, default);
        AssertFinite(estimate);
        Assert.Equal((0, 0, 0), (estimate.Bytes.Codes, estimate.Bytes.Keys, estimate.Bytes.Values));
        // Its mass is about right, which decides how much the far rows weigh beside the window.
        for (int g = 0; g < 4; g++)
            Assert.Equal(full.LogSumExp[g], estimate.LogSumExp[g], 0.5);
    }

    /// <summary>Equal keys weigh the same: the output is the mean of the values, to the 8 bits of the lists' means.</summary>
    [Fact]
    public void AllKeysEqual()
    {
        const int Count = 2500, Dim = 64;
        float[] key = Heads.Keys(1, Dim).Values;
        var keys = new MemoryRows([.. Enumerable.Repeat(key, Count).SelectMany(row => row)], Dim);
        using PackedIndex packed = Pack(keys, Heads.Values(Count, Dim), 0, halves: true);
        float[] queries = Heads.Queries(3, Dim);
        Attention full = Full(packed, queries, 0);
        AssertNear(full, packed.Attend(queries, Everything), Rounding, "everything");
        foreach (CascadeBudget budget in (CascadeBudget[])[Smallest, default])
            AssertNear(full, packed.Attend(queries, budget), 0.02, $"{budget}");
        // Where a few values of a list are read the estimate leans towards them; the mass stays right.
        Attention few = packed.Attend(queries, new CascadeBudget(1000, 100, 10));
        Assert.Equal(full.LogSumExp, few.LogSumExp, (a, b) => Math.Abs(a - b) < 0.02);
    }

    [Fact]
    public void QueriesOfZeroGiveTheMean()
    {
        using PackedIndex packed = Pack(Heads.Keys(2500, 64), Heads.Values(2500, 64), 0, halves: false);
        float[] zeros = new float[3 * 64];
        AssertNear(Full(packed, zeros, 0), packed.Attend(zeros, Everything), Rounding, "everything");
        AssertNear(Full(packed, zeros, 0), packed.Attend(zeros, Smallest), 0.02, "next to nothing");
    }

    [Fact]
    public void AllRowsZero()
    {
        var zeros = new MemoryRows(new float[1500 * 64], 64);
        using PackedIndex packed = Pack(zeros, zeros, 0, halves: false);
        foreach (CascadeBudget budget in (CascadeBudget[])[Everything, Smallest, default, new(1000, 100, 10)])
        {
            Attention all = packed.Attend(Heads.Queries(3, 64), budget);
            Assert.All(all.Output, x => Assert.Equal(0, x));
            Assert.All(all.LogSumExp, x => Assert.Equal(Math.Log(1500), x, 1e-4));
        }
    }

    /// <summary>Wherever one value is the value of all, no estimate may say otherwise.</summary>
    [Fact]
    public void EqualValuesAreTheOutputAtAnyBudget()
    {
        const int Dim = 64;
        float[] value = RandomData.Normal(Dim, 3);
        var values = new MemoryRows([.. Enumerable.Repeat(value, 2500).SelectMany(row => row)], Dim);
        using PackedIndex packed = Pack(Heads.Keys(2500, Dim), values, 0, halves: false);
        foreach (CascadeBudget budget in (CascadeBudget[])[Everything, Smallest, default, new(1000, 100, 10)])
        {
            float[] output = packed.Attend(Heads.Queries(3, Dim), budget).Output;
            for (int i = 0; i < output.Length; i++)
                Assert.Equal(value[i % Dim], output[i], value.Max(Math.Abs) / 127);
        }
    }

    /// <summary>Heads whose logits spread over tens of units: lists and codes misjudge them by factors, and the keys correct it.</summary>
    [Theory]
    [InlineData(4)]
    [InlineData(12)]
    [InlineData(30)]
    public void SharpHeads(float factor)
    {
        using PackedIndex packed = Pack(Heads.Keys(3000, 64), Heads.Values(3000, 64), 0, halves: true);
        for (int seed = 0; seed < 5; seed++)
        {
            float[] queries = [.. Heads.Queries(3, 64, 40 + seed).Select(x => x * factor)];
            Attention full = Full(packed, queries, 0), all = packed.Attend(queries, Everything);
            AssertNear(full, all, Rounding * factor, $"factor {factor}, seed {seed}");
        }
    }

    /// <summary>One key that takes all the attention of one query, far from the others, at budgets that a step has.</summary>
    [Theory]
    [InlineData(20)]
    [InlineData(100)]
    [InlineData(1000)]
    public void AnOutlierWithAnEnormousLogitIsFound(float logit)
    {
        const int Count = 3000, Dim = 64, Row = 1234;
        foreach (float resident in (float[])[float.NegativeInfinity, 0, logit])
        {
            MemoryRows keys = Heads.Keys(Count, Dim);
            float[] queries = Heads.Queries(3, Dim);
            double square = queries[..Dim].Sum(x => (double)x * x);
            for (int i = 0; i < Dim; i++)
                keys.Values[Row * Dim + i] = (float)(Half)(queries[i] * logit / square);
            using PackedIndex packed = Pack(keys, Heads.Values(Count, Dim), 0, halves: true);
            foreach (CascadeBudget budget in (CascadeBudget[])[Everything, new(Count / 2, Count / 16, Count / 24)])
            {
                float[] residents = [.. Enumerable.Repeat(resident, 3)];
                Attention full = Full(packed, queries, 0), found = packed.Attend(queries, budget, residents);
                Assert.All(found.Output, x => Assert.True(float.IsFinite(x)));
                Assert.Equal(full.LogSumExp[0], found.LogSumExp[0], 1e-3 * logit);
                double error = found.Errors(full.Output)[0];
                Assert.True(error < 0.02, $"resident {resident}, {budget}: error {error:g3}");
            }
        }
    }

    /// <summary>Where the resident part holds everything, the far part weighs nothing, and is still made of numbers.</summary>
    [Theory]
    [InlineData(50)]
    [InlineData(1000)]
    [InlineData(1e30f)]
    public void AnOverwhelmingResidentPartLeavesNothingToAdd(float resident)
    {
        using PackedIndex packed = Pack(Heads.Keys(2500, 64), Heads.Values(2500, 64), 0, halves: false);
        float[] queries = Heads.Queries(3, 64), residents = [.. Enumerable.Repeat(resident, 3)];
        float full = Full(packed, queries, 0).LogSumExp.Max();
        foreach (CascadeBudget budget in (CascadeBudget[])[Everything, Smallest, new(1000, 100, 10)])
        {
            Attention far = packed.Attend(queries, budget, residents);
            Assert.All(far.Output, x => Assert.True(float.IsFinite(x)));
            Assert.All(far.LogSumExp, x => Assert.True(x <= full + 1));
        }
    }

    /// <summary>Only one query of the group is served elsewhere: the others' attention stays right.</summary>
    [Fact]
    public void QueriesOfAGroupDoNotDisturbEachOther()
    {
        using PackedIndex packed = Pack(Heads.Keys(2500, 64), Heads.Values(2500, 64), 0, halves: true);
        float[] queries = Heads.Queries(4, 64);
        for (int i = 0; i < 64; i++)
            queries[i] *= 30;
        Attention full = Full(packed, queries, 0), all = packed.Attend(queries, Everything, [float.NegativeInfinity, 500, -3, 2]);
        foreach (int g in (int[])[0, 2, 3])
        {
            Assert.Equal(full.LogSumExp[g], all.LogSumExp[g], 1e-3 + 1e-5 * Math.Abs(full.LogSumExp[g]));
            Assert.True(all.Errors(full.Output)[g] < 1e-3);
        }
    }

    /// <summary>Rows that few attend to weigh less where positions are clamped; the one that stands out weighs what it does.</summary>
    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(5)]
    public void QuietRowsAreDiscounted(int group)
    {
        const int Count = 1500, Dim = 64;
        const float Discount = 0.3f;
        float[] keys = RandomData.Normal(Count * Dim, 1), queries = RandomData.Normal(group * Dim, 2, 0.1f);
        for (int g = 0; g < group; g++)
        {
            float square = queries.AsSpan(g * Dim, Dim).ToArray().Sum(x => x * x);
            for (int i = 0; i < Dim; i++)
                keys[(100 * g + 50) * Dim + i] = 8 / square * queries[g * Dim + i];
        }
        using PackedIndex packed = Pack(new MemoryRows(keys, Dim), Heads.Values(Count, Dim), 0, halves: true);
        var output = new float[group * Dim];
        var logSumExp = new float[group];
        for (int g = 0; g < group; g++)
        {
            double[] weights = [.. Enumerable.Range(0, Count).Select(row => Math.Exp(Enumerable.Range(0, Dim).Sum(i => (double)queries[g * Dim + i] * packed.Keys.Values[row * Dim + i])))];
            double all = weights.Sum();
            Assert.DoesNotContain(weights, weight => weight / all is > 0.03 and < 0.3);
            weights = [.. weights.Select(weight => weight / all < 0.05 ? weight * (1 - Discount) : weight)];
            for (int i = 0; i < Dim; i++)
                output[g * Dim + i] = (float)(Enumerable.Range(0, Count).Sum(row => weights[row] * packed.Values.Values[row * Dim + i]) / weights.Sum());
            logSumExp[g] = (float)Math.Log(weights.Sum());
        }

        Attention found = packed.Attend(queries, Everything with { QuietDiscount = Discount });

        AssertNear(new Attention(output, logSumExp, default), found, Rounding, $"{group} queries");
    }

    [Fact]
    public void HugeRowsAndQueriesGiveNumbers()
    {
        const int Dim = 64;
        var keys = new MemoryRows([.. RandomData.Normal(1500 * Dim, 6).Select(x => x > 0 ? 65504f : -65504f)], Dim);
        using PackedIndex packed = Pack(keys, keys, 0, halves: true);
        foreach (float scale in (float[])[1e-4f, 1, 1000])
        {
            foreach (CascadeBudget budget in (CascadeBudget[])[Everything, Smallest, new(700, 100, 50)])
            {
                Attention all = packed.Attend(RandomData.Normal(3 * Dim, 7, scale), budget);
                Assert.All(all.Output, x => Assert.True(float.IsFinite(x)));
                // Where estimates are beside themselves by hundreds of units the far rows may vanish.
                Assert.All(all.LogSumExp, x => Assert.True(x < float.PositiveInfinity));
            }
        }
    }

    /// <summary>One instance serves heads and layers of any shape, one after another.</summary>
    [Fact]
    public void ScratchMemoryOfOneSearchDoesNotShowInTheNext()
    {
        var reused = new Cascade();
        foreach ((int count, int dim, int group) in ((int, int, int)[])[(3000, 64, 7), (40, 16, 1), (1500, 128, 9), (3000, 64, 2), (100, 64, 7)])
        {
            using PackedIndex packed = Pack(Heads.Keys(count, dim), Heads.Values(count, dim), 0, halves: false);
            foreach (CascadeBudget budget in (CascadeBudget[])[new(count / 2, count / 8, count / 16), Everything, Smallest])
            {
                float[] queries = Heads.Queries(group, dim);
                Attention fresh = packed.Attend(queries, budget), again = packed.Attend(queries, budget, cascade: reused);
                Assert.Equal(fresh.Output, again.Output);
                Assert.Equal(fresh.LogSumExp, again.LogSumExp);
                Assert.Equal(fresh.Bytes, again.Bytes);
            }
        }
    }

    private static PackedIndex Pack(MemoryRows keys, MemoryRows values, int first, bool halves)
        => new(keys, values, first, Heads.Moments(keys.Dim), halves, Small);

    private static Attention Full(PackedIndex packed, float[] queries, int first)
        => Attention.Full(packed.Keys, packed.Values, first, packed.Keys.Count, queries);

    private static void AssertFinite(Attention attention)
        => Assert.All([.. attention.Output, .. attention.LogSumExp], x => Assert.True(float.IsFinite(x)));

    private static void AssertNear(Attention expected, Attention actual, double tolerance, string where)
    {
        for (int i = 0; i < expected.Output.Length; i++)
        {
            if (!(Math.Abs(expected.Output[i] - (double)actual.Output[i]) <= tolerance))
                Assert.Fail($"{where}: element {i} is {actual.Output[i]} where {expected.Output[i]} is right");
        }
        for (int g = 0; g < expected.LogSumExp.Length; g++)
        {
            if (!(Math.Abs(expected.LogSumExp[g] - (double)actual.LogSumExp[g]) <= tolerance))
                Assert.Fail($"{where}: log-sum-exp of query {g} is {actual.LogSumExp[g]} where {expected.LogSumExp[g]} is right");
        }
    }
}
