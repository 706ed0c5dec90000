using Retrieval.TestKit;
using Xunit;

namespace Retrieval.Index.Tests;

public sealed class PageIndexTests : KeyIndexTests
{
    private const int Dim = 16;

    protected override IKeyIndex Create(IKeyRows rows, int first = 0) => new PageIndex(rows, first);

    // Pages of independent rows are all alike: about twice what chance would find.
    protected override double RecallFloor => 0.035;

    protected override double RealRecallFloor => 0.1;

    protected override bool RanksRows => false;

    /// <summary>Rows of a page that are alike have tight bounds, so the page with the row of largest mass is found.</summary>
    [Theory]
    [InlineData(16)]
    [InlineData(5)]
    public void FindsThePageOfTheRowOfLargestMass(int pageRows)
    {
        const int Pages = 200;
        float[] values = RandomData.Normal(Pages * pageRows * Dim, 1, 0.05f), centres = RandomData.Normal(Pages * Dim, 2);
        for (int i = 0; i < values.Length; i++)
            values[i] += centres[i / (pageRows * Dim) * Dim + i % Dim];
        var rows = new MemoryRows(values, Dim);
        var index = new PageIndex(rows, 0, pageRows);
        index.Append(rows.Count);
        for (int seed = 10; seed < 20; seed++)
        {
            float[] query = RandomData.Normal(Dim, seed, 4);
            double[] mass = rows.Mass(query, 0, rows.Count);
            var hits = new Hit[2 * pageRows];
            Assert.Equal(hits.Length, index.Search(query, hits.Length, hits));
            Assert.Contains(Array.IndexOf(mass, mass.Max()), hits.Select(hit => hit.Row));
        }
    }

    /// <summary>Whole pages come out, except that the worst chosen one gives only the rows that are still wanted.</summary>
    [Theory]
    [InlineData(100, 40)]
    [InlineData(100, 97)]
    [InlineData(97, 50)]
    [InlineData(33, 17)]
    public void OnlyTheWorstPageIsCut(int count, int k)
    {
        var rows = new MemoryRows(RandomData.Normal(count * Dim, 3), Dim);
        var index = new PageIndex(rows);
        index.Append(count);
        for (int seed = 0; seed < 20; seed++)
        {
            var hits = new Hit[k];
            Assert.Equal(k, index.Search(RandomData.Normal(Dim, seed), k, hits));
            var pages = hits.GroupBy(hit => hit.Row / 16).ToArray();
            float worst = hits.Min(hit => hit.Score);
            foreach (var page in pages)
            {
                Assert.Single(page.Select(hit => hit.Score).Distinct());
                Assert.Equal(Enumerable.Range(page.Key * 16, page.Count()), page.Select(hit => hit.Row));
                if (page.First().Score > worst)
                    Assert.Equal(Math.Min(16, count - page.Key * 16), page.Count());
            }
        }
    }

    [Fact]
    public void WhatIsReadAndHeldIsCounted()
    {
        var rows = new MemoryRows(RandomData.Normal(1000 * Dim, 4), Dim);
        var index = new PageIndex(rows);
        Assert.Equal((0, 0L, 0L), (index.Pages, index.SearchBytes, index.Bytes));
        index.Append(161);
        Assert.Equal((11, 11 * 2 * 2 * Dim), (index.Pages, index.SearchBytes));
        Assert.InRange(index.Bytes, index.SearchBytes, index.SearchBytes * 5 / 4);
        index.Truncate(16);
        Assert.Equal((1, 2 * 2 * Dim), (index.Pages, index.SearchBytes));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(129)]
    public void PagesOfImpossibleSizesAreRefused(int pageRows)
        => Assert.Throws<ArgumentOutOfRangeException>(() => new PageIndex(new MemoryRows([], Dim), 0, pageRows));
}
