using System.Globalization;
using System.Text.Json.Serialization;

namespace Retrieval.Scenarios.Needles;

/// <summary>Right answers by length, depth, family and prefill.</summary>
/// <param name="Exact">Policy of exact prefill; it answers as well.</param>
/// <param name="Sparse">Policy of sparse prefill; it answers as well.</param>
/// <param name="Texts">Texts of each length.</param>
/// <param name="Wrong">Questions that a reading answered wrongly.</param>
/// <param name="NotRun">Readings that were left out.</param>
internal sealed record NeedleTable(
    string Model, string Exact, string Sparse, int Texts, IReadOnlyList<NeedleCell> Cells, IReadOnlyList<NeedleResult> Wrong, IReadOnlyList<NeedleReading> NotRun)
{
    public static NeedleTable Of(string model, string exact, string sparse, IReadOnlyList<NeedleResult> results, IReadOnlyList<NeedleReading> notRun)
    {
        NeedleCell[] cells =
        [
            .. results.GroupBy(result => (result.Reading, result.Family, result.Depth))
                .Select(cell => new NeedleCell(cell.Key.Reading, cell.Key.Family, cell.Key.Depth, cell.Count(), cell.Count(result => result.Correct)))
                .OrderBy(cell => cell.Family).ThenBy(cell => cell.Reading.Tokens).ThenBy(cell => !cell.Reading.Exact).ThenBy(cell => cell.Depth),
        ];
        int texts = cells.Length == 0 ? 0 : cells[0].Asked / NeedleGrid.Asked(cells[0].Family);
        return new NeedleTable(model, exact, sparse, texts, cells, [.. results.Where(result => !result.Correct)], notRun);
    }

    /// <summary>Cells with fewer right answers under sparse prefill than under exact prefill.</summary>
    public IReadOnlyList<NeedleCell> Lower =>
    [
        .. Cells.Where(cell => !cell.Reading.Exact && Counterpart(cell) is { } exact && cell.Right < exact.Right),
    ];

    public string ToMarkdown()
    {
        var text = new StringWriter(CultureInfo.InvariantCulture);
        text.WriteLine($"{Model}; right answers by depth of the fact, {Texts} text{(Texts == 1 ? "" : "s")} of each length. Exact prefill under `{Exact}`, sparse prefill under `{Sparse}`, which answer as well.");
        foreach (IGrouping<NeedleFamily, NeedleCell> family in Cells.GroupBy(cell => cell.Family))
        {
            text.WriteLine();
            text.WriteLine($"{Name(family.Key)}, right of {family.Max(cell => cell.Asked)} in each cell:");
            text.WriteLine();
            text.Write(Report.Table(
                ["tokens", "prefill", .. Enumerable.Range(0, NeedleGrid.Depths).Select(Depth), "all"],
                family.GroupBy(cell => cell.Reading).Select(Row)));
        }
        text.WriteLine();
        text.WriteLine(Lower.Count == 0
            ? "No cell is lower under sparse than under exact prefill, of those that both have."
            : $"Lower under sparse than under exact prefill: {string.Join("; ", Lower.Select(Describe))}.");
        foreach (IGrouping<bool, NeedleReading> left in NotRun.GroupBy(reading => reading.Exact))
            text.WriteLine($"Not run: {(left.Key ? "exact" : "sparse")} prefill of {string.Join(" and ", left.Select(reading => Count(reading.Tokens)))} tokens.");
        if (Wrong.Count > 0)
        {
            text.WriteLine();
            text.Write(Report.Table(["wrong answers", "tokens", "depth", "expected", "exact", "sparse"], Wrong
                .GroupBy(answer => (answer.Reading.Tokens, answer.Depth, answer.Question, answer.Expected)).OrderBy(group => group.Key.Tokens).ThenBy(group => group.Key.Depth)
                .Select(group => new[] { group.Key.Question, Count(group.Key.Tokens), Depth(group.Key.Depth), group.Key.Expected, Answer(group, true), Answer(group, false) })));
        }
        return text.ToString();
    }

    public static string Name(NeedleFamily family) => family == NeedleFamily.OneOfAKind ? "One of a kind" : $"Among {NeedleGrid.SameKind} of the same kind";

    public static string Depth(int depth) => string.Create(CultureInfo.InvariantCulture, $"{100 * depth / (NeedleGrid.Depths - 1)} %");

    public static string Count(int tokens) => tokens.ToString("#,0", CultureInfo.InvariantCulture);

    private string Answer(IGrouping<(int Tokens, int Depth, string Question, string Expected), NeedleResult> wrong, bool exact)
        => wrong.FirstOrDefault(answer => answer.Reading.Exact == exact)?.Answer ?? (NotRun.Contains(new NeedleReading(wrong.Key.Tokens, exact)) ? "not run" : "right");

    private static string[] Row(IGrouping<NeedleReading, NeedleCell> row)
    {
        IEnumerable<int> right = row.Select(cell => cell.Right);
        return [Count(row.Key.Tokens), row.Key.Name, .. right.Select(number => $"{number}"), $"{right.Sum()} of {row.Sum(cell => cell.Asked)}"];
    }

    private NeedleCell? Counterpart(NeedleCell cell)
        => Cells.FirstOrDefault(other => other.Reading == cell.Reading with { Exact = true } && other.Family == cell.Family && other.Depth == cell.Depth);

    private string Describe(NeedleCell cell)
        => $"{Name(cell.Family).ToLowerInvariant()}, {Count(cell.Reading.Tokens)} tokens, {Depth(cell.Depth)} ({cell.Right} and {Counterpart(cell)!.Right})";
}

/// <param name="Exact">Every token attends to all before it while the text is read.</param>
internal readonly record struct NeedleReading(int Tokens, bool Exact)
{
    [JsonIgnore]
    public string Name => Exact ? "exact" : "sparse";
}

/// <param name="Depth">Index of the depth, 0 to 10.</param>
internal sealed record NeedleCell(NeedleReading Reading, NeedleFamily Family, int Depth, int Asked, int Right);

internal sealed record NeedleResult(
    NeedleReading Reading, NeedleFamily Family, int Depth, string Question, string Expected, string Answer, bool Correct);
