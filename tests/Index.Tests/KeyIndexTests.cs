using Retrieval.TestKit;
using Xunit;

namespace Retrieval.Index.Tests;

/// <summary>What every index must do; a subclass names one and, if it is approximate, its recall floor.</summary>
public abstract class KeyIndexTests
{
    private const int Dim = 32;
    private const int Group = 3;

    /// <summary>An index over no rows yet, whose first row will be <paramref name="first"/>.</summary>
    protected abstract IKeyIndex Create(IKeyRows rows, int first = 0);

    /// <summary>The same over the keys of a real head; the file also has queries of its prompt.</summary>
    protected virtual IKeyIndex CreateReal(IKeyRows rows, int first, SafetensorsFile16 head) => Create(rows, first);

    /// <summary>Share of the true top rows that a search must find among independent rows.</summary>
    protected virtual double RecallFloor => 1;

    /// <summary>The same in keys of a real model.</summary>
    protected virtual double RealRecallFloor => RecallFloor;

    /// <summary>Is every row ranked by a score of its own? If not, rows come a page at a time, with their neighbours.</summary>
    protected virtual bool RanksRows => true;

    [Theory]
    [InlineData(1, 1)]
    [InlineData(63, 10)]
    [InlineData(64, 64)]
    [InlineData(65, 1)]
    [InlineData(1000, 100)]
    [InlineData(5000, 4999)]
    public void HitsAreDistinctRowsInOrder(int count, int k)
    {
        const int First = 17;
        MemoryRows rows = Rows(First + count, 1);
        IKeyIndex index = Built(rows, First);
        Assert.Equal(count, index.Count);
        Hit[] hits = Search(index, Queries(2), k);
        Assert.Equal(k, hits.Length);
        Assert.All(hits, hit => Assert.InRange(hit.Row, First, First + count - 1));
        for (int i = 1; i < k; i++)
            Assert.True(hits[i - 1].Row < hits[i].Row, $"row {hits[i].Row} after {hits[i - 1].Row}");
        Assert.All(hits, hit => Assert.True(float.IsFinite(hit.Score)));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(7)]
    [InlineData(300)]
    public void MoreThanEverythingIsEverything(int count)
    {
        IKeyIndex index = Built(Rows(count, 1));
        foreach (int k in (int[])[count, count + 1, count + 1000])
            Assert.Equal(Enumerable.Range(0, count), Search(index, Queries(2), k).Select(hit => hit.Row));
    }

    [Fact]
    public void NothingAskedIsNothingWritten()
    {
        IKeyIndex index = Built(Rows(100, 1));
        Hit[] hits = [new(-7, -7)];
        Assert.Equal(0, index.Search(Queries(2), 0, hits));
        Assert.Equal(new Hit(-7, -7), hits[0]);
        Assert.Equal(0, index.Search(Queries(2), 0, []));
    }

    [Fact]
    public void OneRowHasAllTheWeight()
    {
        Hit hit = Assert.Single(Search(Built(Rows(1, 1)), Queries(2), 10));
        Assert.Equal(0, hit.Row);
        Assert.True(hit.Score > 0);
    }

    /// <summary>Keys and queries from different distributions, as attention has them: recall against a double computation.</summary>
    [Theory]
    [InlineData(500, 20)]
    [InlineData(4000, 100)]
    [InlineData(20_000, 400)]
    public void FindsTheRowsOfLargestMassForQueriesUnlikeTheKeys(int count, int k)
    {
        MemoryRows rows = Rows(count, 3);
        IKeyIndex index = Built(rows);
        double found = 0;
        const int Searches = 5;
        for (int search = 0; search < Searches; search++)
        {
            float[] queries = Queries(100 + search);
            found += Recall(rows.Mass(queries, 0, count), Search(index, queries, k), 0);
        }
        Assert.True(found / Searches >= RecallFloor, $"recall {found / Searches:f3}, floor {RecallFloor}");
    }

    [SkippableTheory]
    [InlineData("l03-h0", 100)]
    [InlineData("l15-h1", 2048)]
    public void FindsTheRowsOfLargestMassInARealModel(string head, int k)
    {
        string? path = SharedFiles.Find($"qkv/qwen2.5-coder-0.5b-moby32k-{head}.safetensors");
        Skip.If(path is null, "The recorded queries and keys (shared/qkv) are not on this machine.");
        const int Sinks = 64, RealDim = 64, RealGroup = 7, Far = 32_768 - 1024 - Sinks;
        var file = new SafetensorsFile16(path!);
        var rows = new MemoryRows(file.Half("k"), RealDim);
        float[] queries = [.. file.Half("test_queries").Select(x => x / 8)];
        IKeyIndex index = CreateReal(rows, Sinks, file);
        index.Append(Far);
        double found = 0;
        int searches = 0;
        for (int query = 0; query < 32; query += 8, searches++)
        {
            float[] group = queries.AsSpan(query * RealGroup * RealDim, RealGroup * RealDim).ToArray();
            found += Recall(rows.Mass(group, Sinks, Far), Search(index, group, k), Sinks);
        }
        Assert.True(found / searches >= RealRecallFloor, $"recall {found / searches:f3}, floor {RealRecallFloor}");
    }

    [Fact]
    public void DuplicatesAreSeparateRows()
    {
        float[] values = Rows(200, 4).Values;
        for (int row = 0; row < 200; row++)
            values.AsSpan(row / 50 * 50 * Dim, Dim).CopyTo(values.AsSpan(row * Dim));
        Hit[] hits = Search(Built(new MemoryRows(values, Dim)), Queries(5), 120);
        Assert.Equal(120, hits.Select(hit => hit.Row).Distinct().Count());
        if (!RanksRows)
            return;
        // Four groups of 50 equal rows: two whole groups, and of a third the 20 lowest.
        int[] sizes = [.. hits.CountBy(hit => hit.Row / 50).Select(group => group.Value).Order()];
        Assert.Equal([20, 50, 50], sizes);
        int part = hits.CountBy(hit => hit.Row / 50).Single(group => group.Value == 20).Key;
        Assert.Equal(Enumerable.Range(part * 50, 20), hits.Where(hit => hit.Row / 50 == part).Select(hit => hit.Row));
    }

    [Fact]
    public void AmongZeroKeysTheLowerRowsWin()
    {
        Hit[] hits = Search(Built(new MemoryRows(new float[500 * Dim], Dim)), Queries(5), 40);
        Assert.Equal(Enumerable.Range(0, 40), hits.Select(hit => hit.Row));
        Assert.Single(hits.Select(hit => hit.Score).Distinct());
    }

    [Fact]
    public void ZeroQueriesStillGiveRows()
    {
        Hit[] hits = Search(Built(Rows(500, 1)), new float[Group * Dim], 40);
        Assert.Equal(40, hits.Select(hit => hit.Row).Distinct().Count());
        Assert.All(hits, hit => Assert.True(float.IsFinite(hit.Score)));
    }

    [Fact]
    public void HugeKeysAndQueriesAreRanked()
    {
        // As large as a 16-bit row can be, and logits far above what exp can hold.
        float[] values = [.. RandomData.Normal(300 * Dim, 6).Select(x => x > 0 ? 65504f : -65504f)];
        float[] queries = RandomData.Normal(Group * Dim, 7, 1000);
        for (int g = 0; g < Group; g++)
        {
            for (int i = 0; i < Dim; i++)
                values[(70 + g) * Dim + i] = queries[g * Dim + i] > 0 ? 65504f : -65504f;
        }
        Hit[] hits = Search(Built(new MemoryRows(values, Dim)), queries, 20);
        Assert.Equal(20, hits.Length);
        Assert.All(hits, hit => Assert.True(float.IsFinite(hit.Score)));
        // An approximate index may overlook a row, but nothing may overflow.
        if (RecallFloor == 1)
            Assert.Subset(hits.Select(hit => hit.Row).ToHashSet(), new HashSet<int> { 70, 71, 72 });
    }

    [Fact]
    public void AppendedInPortionsIsAppendedAtOnce()
    {
        MemoryRows rows = Rows(3001, 8);
        IKeyIndex whole = Built(rows), portions = Create(rows);
        foreach (int size in RandomData.Portions(3001, 300, 9))
        {
            portions.Append(size);
            // Searches in between must not disturb what follows.
            Search(portions, Queries(10), 5);
        }
        portions.Append(0);
        Assert.Equal(whole.Count, portions.Count);
        Assert.Equal(Search(whole, Queries(11), 200), Search(portions, Queries(11), 200));
    }

    [Fact]
    public void RowsReplacedAfterTruncationAreFoundAsTheyAre()
    {
        MemoryRows rows = Rows(2000, 12);
        IKeyIndex index = Built(rows);
        Search(index, Queries(13), 10);
        index.Truncate(1234);
        Assert.Equal(1234, index.Count);
        Assert.All(Search(index, Queries(13), 500), hit => Assert.True(hit.Row < 1234));

        float[] changed = RandomData.Normal(766 * Dim, 14);
        changed.CopyTo(rows.Values, 1234 * Dim);
        index.Append(700);
        IKeyIndex fresh = Create(rows);
        fresh.Append(1934);
        Assert.Equal(Search(fresh, Queries(13), 300), Search(index, Queries(13), 300));
    }

    [Fact]
    public void TruncationToMoreThanThereIsChangesNothingAndToZeroEmpties()
    {
        IKeyIndex index = Built(Rows(100, 1));
        index.Truncate(1000);
        Assert.Equal(100, index.Count);
        index.Truncate(0);
        Assert.Equal(0, index.Count);
        Assert.Empty(Search(index, Queries(2), 10));
    }

    [Fact]
    public void TheSameSearchGivesTheSameHits()
    {
        MemoryRows rows = Rows(3000, 15);
        IKeyIndex one = Built(rows), two = Built(rows);
        Hit[] first = Search(one, Queries(16), 100);
        Search(one, Queries(17), 1000);
        Assert.Equal(first, Search(one, Queries(16), 100));
        Assert.Equal(first, Search(two, Queries(16), 100));
    }

    /// <summary>Callers differ in their groups: the buffers of one search must not be too small for the next.</summary>
    [Fact]
    public void GroupAndCountMayChangeBetweenSearches()
    {
        MemoryRows rows = Rows(9000, 18);
        IKeyIndex index = Create(rows);
        index.Append(100);
        foreach ((int group, int count) in ((int, int)[])[(8, 100), (1, 1000), (3, 1100), (1, 8000), (2, 9000), (8, 9000)])
        {
            index.Append(count - index.Count);
            float[] queries = RandomData.Normal(group * Dim, group, 0.5f);
            IKeyIndex fresh = Create(rows);
            fresh.Append(count);
            Assert.Equal(Search(fresh, queries, 50), Search(index, queries, 50));
        }
    }

    [Fact]
    public void DifferentIndexesAreSearchedSideBySide()
    {
        const int Indexes = 4;
        MemoryRows[] rows = [.. Enumerable.Range(0, Indexes).Select(i => Rows(2000, 20 + i))];
        IKeyIndex[] indexes = [.. rows.Select(r => Built(r))];
        Hit[][] expected = [.. indexes.Select(index => Search(index, Queries(30), 50))];
        Parallel.For(0, Indexes, i =>
        {
            for (int n = 0; n < 20; n++)
                Assert.Equal(expected[i], Search(indexes[i], Queries(30), 50));
        });
    }

    [Fact]
    public void NegativeCountsAreRefused()
    {
        IKeyIndex index = Built(Rows(10, 1));
        Assert.Throws<ArgumentOutOfRangeException>(() => index.Append(-1));
        Assert.Throws<ArgumentOutOfRangeException>(() => index.Truncate(-1));
        Assert.Equal(10, index.Count);
    }

    /// <summary>Share of hits that belong to the true top rows; rows within rounding of the last true one count as equals.</summary>
    private static double Recall(double[] mass, Hit[] hits, int first)
    {
        double last = mass.OrderDescending().ElementAt(hits.Length - 1);
        return hits.Count(hit => mass[hit.Row - first] >= last * (1 - 1e-4)) / (double)hits.Length;
    }

    private IKeyIndex Built(MemoryRows rows, int first = 0)
    {
        IKeyIndex index = Create(rows, first);
        index.Append(rows.Count - first);
        return index;
    }

    private static Hit[] Search(IKeyIndex index, float[] queries, int k)
    {
        var hits = new Hit[k];
        int found = index.Search(queries, k, hits);
        Assert.Equal(Math.Min(k, index.Count), found);
        return hits[..found];
    }

    /// <summary>Keys with a common offset and very different variances along the axes.</summary>
    private protected static MemoryRows Rows(int count, int seed)
    {
        float[] values = RandomData.Normal(count * Dim, seed);
        for (int i = 0; i < values.Length; i++)
            values[i] = values[i] * (i % Dim < 4 ? 3f : 0.4f) + (i % Dim == 7 ? 5 : 0);
        return new MemoryRows(values, Dim);
    }

    /// <summary>Queries that point elsewhere: along the weak axes, against the offset.</summary>
    protected static float[] Queries(int seed)
    {
        float[] values = RandomData.Normal(Group * Dim, seed);
        for (int i = 0; i < values.Length; i++)
            values[i] = values[i] * (i % Dim < 4 ? 0.2f : 1f) - (i % Dim == 7 ? 2 : 0);
        return values;
    }
}
