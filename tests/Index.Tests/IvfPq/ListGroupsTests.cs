using Retrieval.Index.Kernels;
using Retrieval.TestKit;
using Xunit;

namespace Retrieval.Index.Tests.IvfPq;

/// <summary>Very many lists: groups of them are scored first.</summary>
public sealed unsafe class ListGroupsTests
{
    private const int Count = 6000, Dim = 64, Group = 3, Panel = ListTable.PanelLists;

    private static readonly IvfPqOptions ManyLists = new() { SegmentRows = 1000, RowsPerList = 4 };
    private static readonly CascadeBudget Budget = new(400, 100, 60);

    [Fact]
    public void AGroupIsTheSumOfItsLists()
    {
        using PackedIndex packed = Pack();
        IvfPqIndex index = packed.Index;
        ListTable groups = index.Groups!.Table;
        ListTable lists = index.Lists;
        for (int group = 0; group < lists.Panels; group++)
        {
            double[] sizes = [.. index.ListSizes.AsSpan(group * Panel, Panel).ToArray().Select(size => (double)size)];
            double rows = sizes.Sum();
            ListScale scale = groups.Scales(group / Panel)[group % Panel];
            Assert.Equal(Math.Log(rows), groups.LogCounts(group / Panel)[group % Panel], 1e-5);
            for (int i = 0; i < Dim; i++)
            {
                double centre = 0, mean = 0;
                float meanScale = groups.MeanScale(group / Panel)[group % Panel];
                for (int list = 0; list < Panel; list++)
                {
                    centre += sizes[list] / rows * Centre(index.Codec, lists, group, list, i);
                    mean += sizes[list] / rows * lists.MeanScale(group)[list] * lists.Means(group)[list * Dim + i];
                }
                Assert.Equal(centre, Centre(index.Codec, groups, group / Panel, group % Panel, i), 0.51 * index.Codec.CentreScale[i] * scale.OfCentre + 1e-5);
                Assert.Equal(mean, meanScale * groups.Means(group / Panel)[group % Panel * Dim + i], 0.51 * meanScale + 1e-5);
            }
            for (int band = 0; band < IvfPqCodec.Bands; band++)
            {
                double expected = 0, variance = 0;
                for (int i = index.Codec.BandStarts[band]; i < index.Codec.BandStarts[band + 1]; i++)
                {
                    double[] centres = [.. Enumerable.Range(0, Panel).Select(list => Centre(index.Codec, lists, group, list, i))];
                    double middle = centres.Zip(sizes, (centre, size) => centre * size / rows).Sum();
                    variance += centres.Zip(sizes, (centre, size) => (centre - middle) * (centre - middle) * size / rows).Sum();
                    expected += index.Codec.Variances[i];
                }
                double inside = Enumerable.Range(0, Panel).Sum(list => sizes[list] / rows * lists.Scales(group)[list].OfSpread * lists.Spread(group)[ByteColumns.At(band, list)]);
                Assert.Equal(
                    inside + variance / expected, scale.OfSpread * groups.Spread(group / Panel)[ByteColumns.At(band, group % Panel)], 0.51 * scale.OfSpread + 1e-3);
            }
        }
        Assert.All(Enumerable.Range(lists.Panels, index.Groups.Padded - lists.Panels), padding => Assert.Equal(float.NegativeInfinity, groups.LogCounts(padding / Panel)[padding % Panel]));
    }

    [Fact]
    public void FewListsAndSharpHeadsHaveNone()
    {
        MemoryRows keys = Heads.Keys(Count, Dim), sharp = new([.. keys.Values.Select(key => 1000 * key)], Dim), values = Heads.Values(Count, Dim);
        Assert.Null(IvfPqIndex.Build(keys, values, 0, Count, Heads.Moments(Dim), new IvfPqOptions { RowsPerList = 32 }).Groups);
        IvfPqIndex index = IvfPqIndex.Build(sharp, values, 0, Count, Heads.Moments(Dim), ManyLists);
        Assert.True(index.Codec.Sharp);
        Assert.Null(index.Groups);
    }

    /// <summary>The more lists are looked at the nearer to a search of all; all of them are that search.</summary>
    [Fact]
    public void MoreListsAreNearerToASearchOfAll()
    {
        using PackedIndex packed = Pack();
        double[] errors = [.. ((int[])[16, 128, 384, 760]).Select(lists => Enumerable.Range(0, 12).Average(seed => Error(packed, Heads.Queries(Group, Dim, seed), Budget with { Lists = lists })))];
        for (int i = 1; i < errors.Length; i++)
            Assert.True(errors[i] < errors[i - 1], string.Join(", ", errors.Select(error => error.ToString("g3"))));
        float[] queries = Heads.Queries(Group, Dim);
        Attention all = packed.Attend(queries, Budget);
        foreach (int enough in (int[])[packed.Index.ListSizes.Length, int.MaxValue])
        {
            Attention same = packed.Attend(queries, Budget with { Lists = enough });
            Assert.Equal(all.Output, same.Output);
            Assert.Equal(all.LogSumExp, same.LogSumExp);
        }
        double best = Enumerable.Range(0, 12).Average(seed => Error(packed, Heads.Queries(Group, Dim, seed), Budget));
        Assert.True(errors[^1] < 1.2 * best, $"{errors[^1]:g3} with half of the lists, {best:g3} with all");
    }

    /// <summary>Groups that are not looked into keep mass and mean value.</summary>
    [Theory]
    [InlineData(1, 1.5)]
    [InlineData(160, 0.5)]
    public void WhatIsNotLookedIntoIsEstimated(int lists, double nats)
    {
        float[] value = RandomData.Normal(Dim, 3);
        using PackedIndex packed = Pack(new MemoryRows([.. Enumerable.Repeat(value, Count).SelectMany(row => row)], Dim));
        float[] queries = Heads.Queries(Group, Dim);
        Attention some = packed.Attend(queries, Budget with { Lists = lists }), full = Attention.Full(packed.Keys, packed.Values, 0, Count, queries);
        for (int i = 0; i < some.Output.Length; i++)
            Assert.Equal(value[i % Dim], some.Output[i], value.Max(Math.Abs) / 100);
        for (int g = 0; g < Group; g++)
            Assert.Equal(full.LogSumExp[g], some.LogSumExp[g], nats);
    }

    [Fact]
    public void LessIsReadAndScratchMemoryDoesNotShow()
    {
        using PackedIndex packed = Pack();
        var reused = new Cascade();
        float[] queries = Heads.Queries(Group, Dim);
        Attention all = packed.Attend(queries, Budget, cascade: reused);
        foreach (int lists in (int[])[64, 700, 16])
        {
            Attention fresh = packed.Attend(queries, Budget with { Lists = lists }), again = packed.Attend(queries, Budget with { Lists = lists }, cascade: reused);
            Assert.Equal(fresh.Output, again.Output);
            Assert.Equal(fresh.Bytes, again.Bytes);
            Assert.True(fresh.Bytes.Lists < 0.75 * all.Bytes.Lists, $"{fresh.Bytes.Lists} and {all.Bytes.Lists} bytes of lists");
        }
    }

    /// <summary>Nobody but the lists' tables decides what groups are: not how an index came to have its segments.</summary>
    [Fact]
    public void GroupsAreThoseOfTheSegmentsThatAreThere()
    {
        using PackedIndex packed = Pack();
        IvfPqIndex shorter = packed.Index.Copy();
        shorter.Truncate(5 * 1000);
        float[] queries = Heads.Queries(Group, Dim);
        Attention before = packed.Attend(queries, Budget with { Lists = 160 });
        Assert.NotNull(shorter.Groups);
        Assert.True(shorter.Groups.Padded <= packed.Index.Groups!.Padded);
        shorter.Add(packed.Index.Segments[^1]);
        using var file = new MemoryStream();
        shorter.Save(file);
        file.Position = 0;
        var loaded = new IvfPqIndex[] { shorter, IvfPqIndex.Load(file) };
        foreach (IvfPqIndex index in loaded)
        {
            Attention after = packed.Attend(queries, Budget with { Lists = 160 }, index: index);
            Assert.Equal(before.Output, after.Output);
            Assert.Equal(before.LogSumExp, after.LogSumExp);
        }
    }

    private static double Centre(IvfPqCodec codec, ListTable table, int panel, int list, int axis)
        => codec.CentreMiddle[axis] + (double)codec.CentreScale[axis] * table.Scales(panel)[list].OfCentre * table.Centres(panel)[ByteColumns.At(axis, list)];

    private static double Error(PackedIndex packed, float[] queries, CascadeBudget budget)
        => packed.Attend(queries, budget).Errors(Attention.Full(packed.Keys, packed.Values, 0, Count, queries).Output).Average();

    private static PackedIndex Pack(MemoryRows? values = null) => new(Heads.Keys(Count, Dim), values ?? Heads.Values(Count, Dim), 0, Heads.Moments(Dim), halves: false, ManyLists);
}
