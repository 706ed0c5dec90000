using Retrieval.TestKit;
using Xunit;

namespace Retrieval.Index.Tests.IvfPq;

/// <summary>Codes of many rows: what is not kept of them would not have been chosen, and is not missing from any sum.</summary>
public sealed unsafe class CandidateSieveTests
{
    private const int Count = 9000, Dim = 64;

    // A weight below exp(−87) is 0, and rows of a list share a sum in one way or the other.
    private const double Vanishing = 1e-35;

    // Exponentials are rough, within 4 % and with errors of either sign; those of rows that nobody hears are of other numbers than their weights are.
    private const double Rough = 2 * 0.04, RoughSum = 0.01;

    [Theory]
    [InlineData(1, 1, 100)]
    [InlineData(2, 1, 60)]
    [InlineData(2, 12, 150)]
    [InlineData(3, 30, 17)]
    [InlineData(7, 5, 1)]
    public void NoHeavyRowAndNoMassIsLost(int group, float factor, int keys)
    {
        using var packed = new PackedIndex(Heads.Keys(Count, Dim), Heads.Values(Count, Dim), 0, Heads.Moments(Dim), halves: true, new IvfPqOptions { SegmentRows = 1024, RowsPerList = 32 });
        for (int seed = 0; seed < 3; seed++)
        {
            float[] queries = [.. Heads.Queries(group, Dim, 70 + seed).Select(x => x * factor)];
            Compare(packed, queries, group, new CascadeBudget(int.MaxValue, keys, keys));
        }
    }

    private static void Compare(PackedIndex packed, float[] queries, int group, CascadeBudget budget)
    {
        using var memory = new GuardedMemory<float>(queries);
        using var resident = new GuardedMemory<float>([.. Enumerable.Repeat(float.NegativeInfinity, group)]);
        float[] total = new float[group], totalOfAll = new float[group];
        (CodeLevel some, float[] masses) = Run(packed, memory.Pointer, resident.Pointer, group, budget, total);
        (CodeLevel all, float[] massesOfAll) = Run(packed, memory.Pointer, resident.Pointer, group, budget with { WeighAll = true }, totalOfAll);
        Assert.True(some.Stride < all.Stride * 2 / 3, $"{some.Stride} of {all.Stride} rows are candidates");
        Assert.Equal(totalOfAll, total);

        Dictionary<int, int> at = [];
        for (int i = 0; i < some.Stride; i++)
        {
            if (some.Scores[i] > 0)
                at[some.Place(i)] = i;
        }
        int[] heaviest = [.. Enumerable.Range(0, all.Stride).OrderByDescending(place => all.Scores[place]).Take(budget.Keys)];
        foreach (int place in heaviest.Where(place => all.Scores[place] > 0))
        {
            Assert.True(at.ContainsKey(place), $"row {place}, weight {all.Scores[place]}, is no candidate");
            Assert.Equal(all.Scores[place], some.Scores[at[place]]);
            for (int g = 0; g < group; g++)
                Assert.Equal(all.Weights[g * all.Stride + place], some.Weights[g * some.Stride + at[place]]);
        }
        for (int i = 0; i < masses.Length; i++)
            Assert.Equal(massesOfAll[i], masses[i], massesOfAll[i] * Rough + Vanishing);
        double sumOfAll = massesOfAll.Sum(x => (double)x);
        Assert.Equal(sumOfAll, masses.Sum(x => (double)x), sumOfAll * RoughSum);
    }

    /// <summary>Searches down to the codes of all lists.</summary>
    /// <returns>Weights, and the masses of all lists, [group, lists].</returns>
    private static (CodeLevel Codes, float[] Masses) Run(PackedIndex packed, float* queries, float* resident, int group, CascadeBudget budget, float[] total)
    {
        var query = new CascadeQuery
        {
            Index = packed.Index,
            Rows = packed.Rows,
            Budget = budget,
            Group = group,
            Queries = queries,
            ResidentOutput = null,
            ResidentLogSumExp = resident,
            Output = null,
            LogSumExp = null,
        };
        var lists = new ListLevel();
        lists.Begin(query);
        Each(lists.Parts, lists.Score);
        lists.Share(resident, total);
        var opened = new OpenedLists();
        opened.Open(query.Index, lists, int.MaxValue, null, 0);
        var codes = new CodeLevel();
        codes.Begin(query, lists, opened, total);
        Each(codes.ScanParts, codes.Scan);
        codes.Aim();
        Each(codes.SieveParts, codes.Sieve);
        codes.Recentre(total);
        Each(codes.WeighParts, codes.Weigh);
        codes.ReplaceMasses();
        return (codes, lists.Mass.ToArray());
    }

    private static void Each(int parts, Action<int> work)
    {
        for (int part = 0; part < parts; part++)
            work(part);
    }
}
