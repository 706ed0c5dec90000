using System.Globalization;

namespace Retrieval.Scenarios.Peers;

/// <summary>Medians of both sides, length by length and depth by depth.</summary>
internal sealed record PeerResult(
    string Model, string Machine, int Threads, int Tokens, int Repeats, string Policy, bool Synthetic, string LlamaCpp,
    IReadOnlyList<PeerRow> Rows, IReadOnlyList<DepthRow> Depths)
{
    public string ToMarkdown()
    {
        var text = new StringWriter(CultureInfo.InvariantCulture);
        text.Write($"{Model}, {Threads} threads, {Machine}; policy {Policy}; llama.cpp {LlamaCpp} (node-llama-cpp 3.22.1, CPU, flash attention); medians of {Repeats} pairs, {Tokens} tokens generated.");
        if (Depths.Count > 0)
            text.Write($" At a depth: random tokens{(Synthetic ? ", which llama.cpp has read; synthetic rows on our side" : " that both have read")}.");
        text.WriteLine();
        text.WriteLine();
        text.Write(Report.Table(["", "Retrieval", "llama.cpp", "times as fast"], Rows.SelectMany(Lines).Concat(Depths.Select(Line))));
        return text.ToString();
    }

    private static IEnumerable<string[]> Lines(PeerRow row)
    {
        string length = Count(row.Length);
        yield return [$"prefill, {length} tokens", Rate(row.Ours), Rate(row.LlamaCpp), Ratio(row.PrefillRatio)];
        yield return [$"decode after {length} tokens", Step(row.Ours.MillisecondsPerToken), Step(row.LlamaCpp.MillisecondsPerToken), Ratio(row.DecodeRatio)];
    }

    private static string[] Line(DepthRow row) => [$"decode at depth {Count(row.Depth)}", Step(row.Ours), Step(row.LlamaCpp), Ratio(row.DecodeRatio)];

    private static string Count(int tokens) => tokens.ToString("#,0", CultureInfo.InvariantCulture);

    private static string Rate(Speed speed) => speed.PrefillPerSecond.ToString("#,0", CultureInfo.InvariantCulture) + " tokens/s";

    private static string Step(double milliseconds) => milliseconds.ToString("0.0", CultureInfo.InvariantCulture) + " ms/token";

    private static string Ratio(double ratio) => ratio.ToString("0.00", CultureInfo.InvariantCulture);
}

/// <param name="Length">Tokens of the prompt.</param>
internal sealed record PeerRow(int Length, Speed Ours, Speed LlamaCpp)
{
    /// <summary>Above 1: we read faster.</summary>
    public double PrefillRatio => Ours.PrefillPerSecond / LlamaCpp.PrefillPerSecond;

    /// <summary>Above 1: we generate faster.</summary>
    public double DecodeRatio => LlamaCpp.MillisecondsPerToken / Ours.MillisecondsPerToken;
}

/// <summary>Milliseconds of a decode step.</summary>
/// <param name="Depth">Tokens in the KV cache.</param>
internal sealed record DepthRow(int Depth, double Ours, double LlamaCpp)
{
    /// <summary>Above 1: we generate faster.</summary>
    public double DecodeRatio => LlamaCpp / Ours;
}
