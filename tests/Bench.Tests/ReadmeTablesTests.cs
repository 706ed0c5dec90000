using Retrieval.Runtime;
using Retrieval.Scenarios.Decoding;
using Retrieval.Scenarios.Frontier;
using Xunit;

namespace Retrieval.Bench.Tests;

public sealed class ReadmeTablesTests
{
    private static readonly string[] Shown =
    [
        "sinks + window only", "exact top-100, tail dropped (index free)", "Quest, 2048 tokens", "RetroInfer, 5 %", "RetroInfer, everything 8-bit, 5 %",
        "ivf-pq/64 3000,128,96", "ivf-pq/64 8000,512,256", "ivf-pq default", "ivf-pq/64 24000,3072,1536",
    ];

    [Fact]
    public void The_frontier_has_its_rows_in_their_order_and_no_others()
    {
        FrontierResult[] results = [.. Shown.Append("another").SelectMany((name, i) => new FrontierResult[] { new("a", name, i, [0.1f]), new("b", name, i + 1, [0.3f]) })];

        string[] rows = Rows(FrontierTable.WriteShort(results));

        Assert.Equal(Shown.Length, rows.Length);
        Assert.Equal("| sinks + window only | 0.50 % | 0.2000 | 0.290 |", rows[0]);
        Assert.Contains("default", rows[7]);
        Assert.Contains("| 7.50 %", rows[7]);
    }

    [Fact]
    public void A_row_that_was_not_measured_is_an_error()
        => Assert.Contains("'Quest, 2048 tokens'", Assert.Throws<InputException>(() => FrontierTable.WriteShort([.. Shown.Where(name => name[0] != 'Q').Select(name => new FrontierResult("a", name, 1, [0.1f]))])).Message);

    [Fact]
    public void Decode_compares_with_the_least_depth_of_the_same_policy()
    {
        DecodeCell Cell(int depth, string policy, double ms) => new(depth, policy, ms, 3, 1, 1.5, 0.5, ms, 40_000_000, 2, 1_000_000_000, 10_000_000, 500_000_000, 1);
        var result = new DecodeResult("model", "machine", 2, 20, 32, [Cell(131072, "full", 60), Cell(4096, "full", 20), Cell(4096, "ivf-pq", 10), new RefusedCell(1 << 20, "full", "full at 1,048,576 tokens: too large")]);

        string text = result.ToShortMarkdown();

        Assert.Equal(["| full | 131,072 | 60.0 | 3.00 | 3.0 | 2.5 | 40 | 0.50 | 0.01 |", "| full | 4,096 | 20.0 | 1.00 | 3.0 | 2.5 | 40 | 0.50 | 0.01 |", "| ivf-pq | 4,096 | 10.0 | 1.00 | 3.0 | 2.5 | 40 | 0.50 | 0.01 |"], Rows(text));
        Assert.Contains("Not measured: full at 1,048,576 tokens", text);
    }

    /// <summary>A step that takes long in every run is long by itself; one that was disturbed in one run is not.</summary>
    [Fact]
    public void A_generation_shows_its_longest_steps()
    {
        StepTimes[] first = [.. Enumerable.Range(1, 200).Select(i => new StepTimes(i switch { 5 => 1000, 77 => 500, _ => i }, 1, 2, 3))];
        StepTimes[] second = [.. Enumerable.Range(1, 200).Select(i => new StepTimes(i switch { 77 => 450, _ => i }, 4, 5, 6))];

        GenerationCell cell = GenerationCell.Of(4096, "ivf-pq", [first, second]);

        Assert.Equal(new LongStep(77 - 1, 450, 4, 5, 6), cell.Longest[0]);
        Assert.Equal(new LongStep(200 - 1, 200, 1, 2, 3), cell.Longest[1]);
        // Of 400 steps 396 take no longer: all but two disturbed ones, the other 77 and a 200.
        Assert.Equal(200, cell.P99Ms);
        Assert.Equal(101.5, cell.OwnMedianMs);
        string[] rows = Rows(GenerationCell.ToMarkdown("machine", [cell]));
        Assert.Equal("| ivf-pq | 4,096 | 200 | 2 | 102.00 | 200.00 | 1000.00 | 9.8 |", rows[0]);
        Assert.Contains("| ivf-pq | 4,096 | 76 | 450.00 | 4.4 | 4.00 | 5.00 | 6.00 |", rows);
    }

    /// <summary>Rows of a table without its heading.</summary>
    private static string[] Rows(string markdown) => [.. markdown.Split('\n').Where(line => line.StartsWith('|')).Skip(2)];
}
