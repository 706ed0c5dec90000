using System.Globalization;

namespace Retrieval.Scenarios.Decoding;

/// <summary>
/// Every step of a long generation, in milliseconds: long enough that the window leaves a segment behind, which is indexed beside the
/// steps and taken over in one of them, layer after layer.
/// </summary>
/// <param name="Depth">Tokens in the KV cache before it.</param>
/// <param name="P99Ms">99 of 100 steps take no longer.</param>
/// <param name="Longest">The longest steps, longest first.</param>
internal sealed record GenerationCell(int Depth, string Policy, int Steps, double MedianMs, double P99Ms, IReadOnlyList<LongStep> Longest)
{
    private const int Shown = 5;

    public static GenerationCell Of(int depth, string policy, IReadOnlyList<StepTimes> steps)
    {
        double[] sorted = [.. steps.Select(step => step.Total).Order()];
        LongStep[] longest =
        [
            .. steps.Select((step, i) => new LongStep(i, Round(step.Total), Round(step.Weights), Round(step.Select), Round(step.Attend)))
                .OrderByDescending(step => step.Ms).Take(Shown),
        ];
        return new GenerationCell(depth, policy, steps.Count, Round(Report.Median(sorted)), Round(sorted[(int)Math.Ceiling(0.99 * sorted.Length) - 1]), longest);
    }

    /// <summary>All cells of a run as Markdown.</summary>
    public static string ToMarkdown(string heading, IReadOnlyList<GenerationCell> cells)
    {
        var text = new StringWriter(CultureInfo.InvariantCulture);
        text.WriteLine($"{heading}; each step of a generation after a KV cache of synthetic rows; milliseconds.");
        text.WriteLine();
        text.Write(Report.Table(["policy", "tokens", "steps", "median", "99th percentile", "longest", "longest / median"], cells.Select(cell => new[]
        {
            cell.Policy, Number(cell.Depth, "#,0"), Number(cell.Steps, "#,0"), Number(cell.MedianMs, "0.00"), Number(cell.P99Ms, "0.00"),
            Number(cell.Longest[0].Ms, "0.00"), Number(cell.Longest[0].Ms / cell.MedianMs, "0.0"),
        })));
        text.WriteLine();
        text.WriteLine("The longest steps; `attend` has taking over a segment in it, which packs its rows:");
        text.WriteLine();
        text.Write(Report.Table(["policy", "tokens", "step", "ms", "weights", "select", "attend"], cells.SelectMany(cell => cell.Longest.Select(step => new[]
        {
            cell.Policy, Number(cell.Depth, "#,0"), Number(step.Step, "#,0"), Number(step.Ms, "0.00"), Number(step.WeightsMs, "0.00"),
            Number(step.SelectMs, "0.00"), Number(step.AttendMs, "0.00"),
        }))));
        return text.ToString();
    }

    private static string Number(double value, string format) => value.ToString(format, CultureInfo.InvariantCulture);

    private static double Round(double milliseconds) => Math.Round(milliseconds, 3);
}

/// <param name="Step">Number of the step in its generation, from 0.</param>
internal sealed record LongStep(int Step, double Ms, double WeightsMs, double SelectMs, double AttendMs);
