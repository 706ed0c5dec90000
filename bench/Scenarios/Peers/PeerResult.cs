using System.Globalization;

namespace Retrieval.Scenarios.Peers;

/// <summary>Medians of both sides, length by length.</summary>
internal sealed record PeerResult(string Model, string Machine, int Threads, int Tokens, int Repeats, string LlamaCpp, IReadOnlyList<PeerRow> Rows)
{
    public static PeerResult Measure(PeerPlan plan, Ours ours, LlamaCpp theirs, TextWriter log)
    {
        var rows = new List<PeerRow>();
        foreach (int length in plan.Lengths)
        {
            int[] ids = ours.Prompt(length);
            var own = new List<Speed>();
            var other = new List<Speed>();
            for (int repeat = 0; repeat < plan.Repeats; repeat++)
            {
                // Who goes first changes, so that neither always meets the cooler processor.
                if (repeat % 2 == 0)
                    own.Add(ours.Measure(ids));
                other.Add(theirs.Measure(ids, plan.Tokens));
                if (repeat % 2 != 0)
                    own.Add(ours.Measure(ids));
                log.WriteLine(string.Create(CultureInfo.InvariantCulture,
                    $"{length} tokens, pair {repeat + 1}: prefill {own[^1].PrefillPerSecond:0} and {other[^1].PrefillPerSecond:0} tokens/s, decode {own[^1].MillisecondsPerToken:0.0} and {other[^1].MillisecondsPerToken:0.0} ms/token"));
            }
            rows.Add(new PeerRow(length, Middle(own), Middle(other)));
        }
        return new PeerResult(ours.ModelName, MachineName.Describe(), plan.Threads, plan.Tokens, plan.Repeats, theirs.Release, rows);
    }

    public string ToMarkdown()
    {
        var text = new StringWriter(CultureInfo.InvariantCulture);
        text.WriteLine($"{Model}, {Threads} threads, {Machine}; llama.cpp {LlamaCpp} (node-llama-cpp 3.22.1, CPU, flash attention); medians of {Repeats} pairs, {Tokens} tokens generated.");
        text.WriteLine();
        text.Write(Report.Table(["", "Retrieval", "llama.cpp", "times as fast"], Rows.SelectMany(Lines)));
        return text.ToString();
    }

    private static IEnumerable<string[]> Lines(PeerRow row)
    {
        string length = row.Length.ToString("#,0", CultureInfo.InvariantCulture);
        yield return [$"prefill, {length} tokens", Rate(row.Ours), Rate(row.LlamaCpp), Ratio(row.PrefillRatio)];
        yield return [$"decode after {length} tokens", Step(row.Ours), Step(row.LlamaCpp), Ratio(row.DecodeRatio)];
    }

    private static string Rate(Speed speed) => speed.PrefillPerSecond.ToString("#,0", CultureInfo.InvariantCulture) + " tokens/s";

    private static string Step(Speed speed) => speed.MillisecondsPerToken.ToString("0.0", CultureInfo.InvariantCulture) + " ms/token";

    private static string Ratio(double ratio) => ratio.ToString("0.00", CultureInfo.InvariantCulture);

    private static Speed Middle(List<Speed> speeds) =>
        new(Report.Median(speeds.Select(speed => speed.PrefillPerSecond)), Report.Median(speeds.Select(speed => speed.MillisecondsPerToken)));
}

/// <param name="Length">Tokens of the prompt.</param>
internal sealed record PeerRow(int Length, Speed Ours, Speed LlamaCpp)
{
    /// <summary>Above 1: we read faster.</summary>
    public double PrefillRatio => Ours.PrefillPerSecond / LlamaCpp.PrefillPerSecond;

    /// <summary>Above 1: we generate faster.</summary>
    public double DecodeRatio => LlamaCpp.MillisecondsPerToken / Ours.MillisecondsPerToken;
}
