using System.Globalization;

namespace Retrieval.Scenarios.Decoding;

/// <summary>
/// Every step of a long generation, in milliseconds: long enough that the window leaves a segment behind, which a step of each layer
/// builds. The generation is repeated from the same length: what a step takes in its fastest run is its own work, what it takes
/// longer in others is the machine's.
/// </summary>
/// <param name="Depth">Tokens in the KV cache before it.</param>
/// <param name="P99Ms">99 of 100 steps of all runs take no longer.</param>
/// <param name="LongestMs">The longest step of all runs.</param>
/// <param name="OwnMedianMs">Median of the steps' fastest runs.</param>
/// <param name="Longest">The steps whose fastest run is longest, longest first.</param>
internal sealed record GenerationCell(
    int Depth, string Policy, int Steps, int Runs, double MedianMs, double P99Ms, double LongestMs, double OwnMedianMs, IReadOnlyList<LongStep> Longest)
{
    private const int Shown = 5;

    /// <param name="runs">[runs][steps]</param>
    public static GenerationCell Of(int depth, string policy, IReadOnlyList<IReadOnlyList<StepTimes>> runs)
    {
        double[] sorted = [.. runs.SelectMany(run => run).Select(step => step.Total).Order()];
        StepTimes[] own = [.. Enumerable.Range(0, runs[0].Count).Select(i => runs.Select(run => run[i]).MinBy(step => step.Total))];
        LongStep[] longest =
        [
            .. own.Select((step, i) => new LongStep(i, Round(step.Total), Round(step.Weights), Round(step.Select), Round(step.Attend)))
                .OrderByDescending(step => step.Ms).Take(Shown),
        ];
        return new GenerationCell(
            depth, policy, own.Length, runs.Count, Round(Report.Median(sorted)), Round(sorted[(int)Math.Ceiling(0.99 * sorted.Length) - 1]), Round(sorted[^1]),
            Round(Report.Median(own.Select(step => step.Total))), longest);
    }

    /// <summary>All cells of a run as Markdown.</summary>
    public static string ToMarkdown(string heading, IReadOnlyList<GenerationCell> cells)
    {
        var text = new StringWriter(CultureInfo.InvariantCulture);
        text.WriteLine($"{heading}; each step of a generation after a KV cache of synthetic rows, repeated from the same length; milliseconds.");
        text.WriteLine();
        text.Write(Report.Table(["policy", "tokens", "steps", "runs", "median", "99th percentile", "longest", "longest / median"], cells.Select(cell => new[]
        {
            cell.Policy, Number(cell.Depth, "#,0"), Number(cell.Steps, "#,0"), Number(cell.Runs, "0"), Number(cell.MedianMs, "0.00"), Number(cell.P99Ms, "0.00"),
            Number(cell.LongestMs, "0.00"), Number(cell.LongestMs / cell.MedianMs, "0.0"),
        })));
        text.WriteLine();
        text.WriteLine("What steps take themselves, each in its fastest run, beside the median of those:");
        text.WriteLine();
        text.Write(Report.Table(["policy", "tokens", "step", "ms", "/ median", "weights", "select", "attend"], cells.SelectMany(cell => cell.Longest.Select(step => new[]
        {
            cell.Policy, Number(cell.Depth, "#,0"), Number(step.Step, "#,0"), Number(step.Ms, "0.00"), Number(step.Ms / cell.OwnMedianMs, "0.0"), Number(step.WeightsMs, "0.00"),
            Number(step.SelectMs, "0.00"), Number(step.AttendMs, "0.00"),
        }))));
        text.WriteLine();
        text.WriteLine("`attend` has the building of a layer's next segment in it.");
        return text.ToString();
    }

    private static string Number(double value, string format) => value.ToString(format, CultureInfo.InvariantCulture);

    private static double Round(double milliseconds) => Math.Round(milliseconds, 3);
}

/// <param name="Step">Number of the step in its generation, from 0.</param>
internal sealed record LongStep(int Step, double Ms, double WeightsMs, double SelectMs, double AttendMs);
