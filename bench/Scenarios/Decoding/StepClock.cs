using System.Diagnostics;

namespace Retrieval.Scenarios.Decoding;

/// <summary>Where the time of decode steps went, in ticks of <see cref="Stopwatch"/>; the decorated parts add to it.</summary>
internal sealed class StepClock
{
    public long Weights { get; set; }

    public long Select { get; set; }

    public long Attend { get; set; }

    /// <summary>Rows that selectors chose for exact attention, all KV heads together.</summary>
    public long ChosenRows { get; set; }

    public void Clear() => Weights = Select = Attend = ChosenRows = 0;

    public StepTimes Read(long total)
        => new(Milliseconds(total), Milliseconds(Weights), Milliseconds(Select), Milliseconds(Attend));

    private static double Milliseconds(long ticks) => ticks * 1e3 / Stopwatch.Frequency;
}

/// <summary>Milliseconds of one decode step.</summary>
/// <param name="Weights">Products with weight matrices.</param>
/// <param name="Select">In the selectors: search and, for methods that estimate, what they read themselves.</param>
/// <param name="Attend">Exact attention over resident and chosen rows; appending the new row and merging count too.</param>
internal readonly record struct StepTimes(double Total, double Weights, double Select, double Attend)
{
    /// <summary>Norms, rotations, embedding, and the gaps between parts.</summary>
    public double Other => Total - Weights - Select - Attend;

    /// <summary>Medians of each part; they need not add up to the median of the whole.</summary>
    public static StepTimes Median(IReadOnlyList<StepTimes> steps)
    {
        double other = Report.Median(steps.Select(step => step.Other));
        double weights = Report.Median(steps.Select(step => step.Weights)), select = Report.Median(steps.Select(step => step.Select));
        double attend = Report.Median(steps.Select(step => step.Attend));
        return new StepTimes(weights + select + attend + other, weights, select, attend);
    }
}
