using Retrieval.Evaluation;
using Retrieval.Runtime;
using Retrieval.Scenarios.Needles;
using Xunit;

namespace Retrieval.Bench.Tests;

public sealed class NeedleTableTests
{
    private static readonly NeedleReading Exact = new(32768, true), Sparse = new(32768, false), Long = new(131072, false);

    [Fact]
    public void Cells_count_their_answers_and_lower_ones_are_named()
    {
        NeedleTable table = Table(Answers(Exact, [true, true, false, true]), Answers(Sparse, [true, false, false, true]), Answers(Long, [false, false, false, false]));

        Assert.Equal([3, 2, 0], table.Cells.Select(cell => cell.Right));
        NeedleCell lower = Assert.Single(table.Lower);
        Assert.Equal(Sparse, lower.Reading);
        string text = table.ToMarkdown();
        Assert.Contains("| 32,768 | exact | 3 | 3 of 4 |", text);
        Assert.Contains("Lower under sparse than under exact prefill: among 50 of the same kind, 32,768 tokens, 30 % (2 and 3).", text);
        Assert.Contains("Not run: exact prefill of 131,072 tokens.", text);
        Assert.Contains("| question 1 | 32,768 | 30 % | 12345 | right | nothing |", text);
        Assert.Contains("| question 1 | 131,072 | 30 % | 12345 | not run | nothing |", text);
    }

    [Fact]
    public void As_many_right_answers_are_not_lower_although_others_are_right()
        => Assert.Empty(Table(Answers(Exact, [true, false, true, true]), Answers(Sparse, [false, true, true, true])).Lower);

    [Fact]
    public void Every_depth_is_asked_as_often()
    {
        var grid = new NeedleGrid(seed: 3);

        Assert.Equal(NeedleGrid.Depths * (NeedleGrid.Asked(NeedleFamily.OneOfAKind) + NeedleGrid.Asked(NeedleFamily.SameKind)), grid.Questions);
    }

    private static NeedleTable Table(params IEnumerable<NeedleResult>[] results)
        => NeedleTable.Of("model", "full", "ivf-pq", [.. results.SelectMany(result => result)], [Long with { Exact = true }]);

    private static IEnumerable<NeedleResult> Answers(NeedleReading reading, bool[] correct)
        => correct.Select((right, i) => new NeedleResult(reading, NeedleFamily.SameKind, 3, $"question {i}", "12345", right ? "12345" : "nothing", right));
}
