using Retrieval.TestKit;
using Xunit;

namespace Retrieval.Index.Tests.IvfPq;

/// <summary>Several heads at once give what each gives alone, to the bit, on any number of threads.</summary>
public sealed unsafe class CascadeTeamTests
{
    private static readonly IvfPqOptions Small = new() { SegmentRows = 512, RowsPerList = 16 }, ManyLists = Small with { RowsPerList = 4 };

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(7)]
    public void ThreadsDoNotChangeWhatIsFound(int threads)
    {
        // Heads of very different sizes, so that workers help each other; the last ones are a single list and so many lists that there are groups.
        (int Count, int Dim, int Group)[] shapes = [(9000, 64, 3), (700, 16, 5), (3000, 80, 1), (5000, 64, 9), (12, 64, 2), (5000, 64, 3)];
        PackedIndex[] heads = [.. shapes.Select((shape, i) => new PackedIndex(
            Heads.Keys(shape.Count, shape.Dim, 50 + i), Heads.Values(shape.Count, shape.Dim, 60 + i), 0, Heads.Moments(shape.Dim), halves: i == 2, i == 5 ? ManyLists : Small))];
        Assert.NotNull(heads[5].Index.Groups);
        using var workers = new WorkerPool(threads);
        var team = new CascadeTeam(workers);
        try
        {
            foreach (CascadeBudget budget in (CascadeBudget[])[new(3000, 700, 400), new(3000, 700, 400) { Lists = 320 }, new(int.MaxValue, int.MaxValue, int.MaxValue), new(1, 1, 1), default, CascadeBudget.ForError(0.05f)])
            {
                for (int repetition = 0; repetition < 5; repetition++)
                    Check(team, heads, [.. shapes.Select((shape, i) => Heads.Queries(shape.Group, shape.Dim, 7 * repetition + i))], budget);
            }
        }
        finally
        {
            foreach (PackedIndex head in heads)
                head.Dispose();
        }
    }

    [Fact]
    public void NoHeadsReadNothing()
    {
        using var workers = new WorkerPool(2);
        Assert.Equal(0, new CascadeTeam(workers).Run([]));
    }

    /// <summary>What fails in one worker is thrown to the caller, and the next search is none the worse.</summary>
    [Fact]
    public void AFailureEndsTheSearch()
    {
        using var head = new PackedIndex(Heads.Keys(3000, 64), Heads.Values(3000, 64), 0, Heads.Moments(64), halves: false, Small);
        using var workers = new WorkerPool(3);
        var team = new CascadeTeam(workers);
        float[] queries = Heads.Queries(3, 64);
        var budget = new CascadeBudget(1000, 200, 100);
        fixed (float* query = queries)
        {
            using var resident = new GuardedMemory<float>(3 * 65);
            using var output = new GuardedMemory<float>(3 * 65);
            CascadeQuery good = Query(head, budget, 3, query, resident.Pointer, resident.Pointer + 192, output.Pointer, output.Pointer + 192);
            CascadeQuery bad = Query(head, budget, 3, query, resident.Pointer, resident.Pointer + 192, output.Pointer, output.Pointer + 192, rows: []);
            Assert.Throws<IndexOutOfRangeException>(() => team.Run([good, bad, good]));
        }
        Check(team, [head, head], [queries, Heads.Queries(3, 64, 11)], budget);
    }

    private static void Check(CascadeTeam team, PackedIndex[] heads, float[][] queries, CascadeBudget budget)
    {
        Attention[] alone = [.. heads.Select((head, i) => head.Attend(queries[i], budget, [.. Enumerable.Repeat(1f, queries[i].Length / head.Keys.Dim)]))];
        using var memory = new GuardedMemory<float>(queries.Sum(some => 4 * some.Length));
        memory.Span.Fill(1);
        var searches = new CascadeQuery[heads.Length];
        float* at = memory.Pointer;
        for (int i = 0; i < heads.Length; i++)
        {
            int length = queries[i].Length, group = length / heads[i].Keys.Dim;
            queries[i].CopyTo(new Span<float>(at, length));
            new Span<float>(at + length, length).Clear();
            searches[i] = Query(heads[i], budget, group, at, at + length, at + 3 * length, at + 2 * length, at + 3 * length + group);
            at += 4 * length;
        }
        long bytes = team.Run(searches);
        for (int i = 0; i < heads.Length; i++)
        {
            Assert.Equal(alone[i].Output, new Span<float>(searches[i].Output, queries[i].Length).ToArray());
            Assert.Equal(alone[i].LogSumExp, new Span<float>(searches[i].LogSumExp, searches[i].Group).ToArray());
        }
        Assert.Equal(alone.Sum(attention => attention.Bytes.Total), bytes);
    }

    private static CascadeQuery Query(
        PackedIndex head, CascadeBudget budget, int group, float* queries, float* resident, float* residentLogSumExp, float* output, float* logSumExp, PackedRows[]? rows = null) => new()
        {
            Index = head.Index,
            Rows = rows ?? head.Rows,
            Budget = budget,
            Group = group,
            Queries = queries,
            ResidentOutput = resident,
            ResidentLogSumExp = residentLogSumExp,
            Output = output,
            LogSumExp = logSumExp,
        };
}
