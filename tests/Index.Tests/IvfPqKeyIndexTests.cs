using Retrieval.TestKit;
using Xunit;

namespace Retrieval.Index.Tests;

/// <summary>Small segments, so that the contract's rows fill several and leave a tail; a whole head with the defaults.</summary>
public sealed class IvfPqKeyIndexTests : KeyIndexTests
{
    private static readonly IvfPqOptions Small = new() { SegmentRows = 128, RowsPerList = 16 };

    // The contract's keys and queries are nearly round in 28 of 32 dimensions, where lists help least and a code has one bit an axis.
    protected override double RecallFloor => 0.7;

    protected override double RealRecallFloor => 0.92;

    protected override IKeyIndex Create(IKeyRows rows, int first = 0)
        => new IvfPqKeyIndex(rows, Sample(rows.Dim), Small, first) { KeysPerHit = 8, LeastKeys = 1 };

    protected override IKeyIndex CreateReal(IKeyRows rows, int first, SafetensorsFile16 head)
    {
        var moments = new QueryMoments(rows.Dim);
        moments.Add(head.Half("prompt_queries"));
        return new IvfPqKeyIndex(rows, moments, new IvfPqOptions(), first);
    }

    /// <summary>Levels that spare nothing lose nothing: rows and scores are those of exact search.</summary>
    [Theory]
    [InlineData(1000, 30)]
    [InlineData(1153, 1100)]
    public void ReadingEverythingIsExact(int count, int k)
    {
        const int First = 5;
        MemoryRows rows = Rows(First + count, 40);
        var index = new IvfPqKeyIndex(rows, Sample(rows.Dim), Small, First) { OpenedShare = 1, LeastKeys = count };
        var flat = new FlatIndex(rows, First);
        Hit[] hits = new Hit[k], expected = new Hit[k];
        index.Append(count);
        flat.Append(count);
        Assert.Equal(k, index.Search(Queries(41), k, hits));
        Assert.Equal(k, flat.Search(Queries(41), k, expected));
        Assert.Equal(expected.Select(hit => hit.Row), hits.Select(hit => hit.Row));
        for (int i = 0; i < k; i++)
            Assert.Equal(expected[i].Score, hits[i].Score, 1e-4 * expected[i].Score);
    }

    /// <summary>What is not read takes part in the whole by its estimate, so scores stay shares of the whole attention.</summary>
    [Fact]
    public void ScoresEstimateTheExactOnes()
    {
        MemoryRows rows = Rows(4000, 42);
        IKeyIndex index = Create(rows);
        index.Append(rows.Count);
        double ratio = 0;
        for (int seed = 50; seed < 60; seed++)
        {
            double[] mass = rows.Mass(Queries(seed), 0, rows.Count);
            var hits = new Hit[50];
            index.Search(Queries(seed), 50, hits);
            ratio += hits.Sum(hit => hit.Score) / hits.Sum(hit => mass[hit.Row]) / 10;
        }
        Assert.InRange(ratio, 0.8, 1.25);
    }

    [Fact]
    public void OnlyWholeSegmentsAreBuilt()
    {
        MemoryRows rows = Rows(400, 43);
        IKeyIndex index = Create(rows);
        index.Append(127);
        Assert.Equal(0, index.Bytes);
        index.Append(1);
        long one = index.Bytes;
        Assert.True(one > 0);
        index.Append(127);
        Assert.Equal(one, index.Bytes);
        index.Append(1);
        Assert.True(index.Bytes > one);
        index.Truncate(255);
        Assert.Equal(one, index.Bytes);
        index.Truncate(127);
        Assert.Equal(0, index.Bytes);
    }

    [Fact]
    public void QueriesOfAnotherShapeAreRefused()
        => Assert.Throws<ArgumentException>(() => new IvfPqKeyIndex(Rows(1, 1), new QueryMoments(64), Small));

    /// <summary>Moments of the kind of queries that the contract searches with, which are unlike its keys.</summary>
    private static QueryMoments Sample(int dim)
    {
        var moments = new QueryMoments(dim);
        for (int seed = 1000; seed < 1100; seed++)
            moments.Add(Queries(seed));
        return moments;
    }
}
