using System.Globalization;

namespace Retrieval.Scenarios.Peers;

/// <summary>
/// Pairs of measurements, one side after the other. Who goes first changes, so that neither always meets the cooler processor.
/// </summary>
internal sealed class PeerMeasurement(PeerPlan plan, Ours ours, LlamaCpp theirs, TextWriter log)
{
    public PeerResult Run() => new(
        ours.ModelName, MachineName.Describe(), plan.Threads, plan.Tokens, plan.Repeats, plan.Policy.Name, plan.Synthetic, theirs.Release,
        [.. plan.Lengths.Select(Prompt)], [.. plan.Depths.Select(Depth)]);

    /// <summary>Prefill, and decode after it: each measurement reads the prompt again.</summary>
    private PeerRow Prompt(int length)
    {
        int[] ids = ours.Prompt(length);
        (List<Speed> own, List<Speed> other) = Pairs(
            () => ours.Measure(ids),
            () => new Speed(theirs.Read(ids, plan.Tokens), theirs.Generate(plan.Tokens)),
            (one, two, pair) => log.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"{length} tokens, pair {pair}: prefill {one.PrefillPerSecond:0} and {two.PrefillPerSecond:0} tokens/s, decode {one.MillisecondsPerToken:0.0} and {two.MillisecondsPerToken:0.0} ms/token")));
        return new PeerRow(length, Middle(own), Middle(other));
    }

    /// <summary>Decode alone: both sides fill their cache once and generate from there again and again.</summary>
    private DepthRow Depth(int depth)
    {
        int[] ids = ours.Filler(depth);
        log.WriteLine($"depth {depth}: filling ours");
        using IFilledCache cache = ours.Fill(ids);
        log.WriteLine($"depth {depth}: filling llama.cpp's");
        theirs.Read(ids, plan.Tokens);
        // The first time does not count: code is compiled, pages are touched.
        cache.Generate(plan.Tokens);
        theirs.Generate(2);
        (List<double> own, List<double> other) = Pairs(
            () => cache.Generate(plan.Tokens),
            () => theirs.Generate(plan.Tokens),
            (one, two, pair) => log.WriteLine(string.Create(CultureInfo.InvariantCulture, $"depth {depth}, pair {pair}: decode {one:0.0} and {two:0.0} ms/token")));
        return new DepthRow(depth, Report.Median(own), Report.Median(other));
    }

    private (List<T> Own, List<T> Other) Pairs<T>(Func<T> own, Func<T> other, Action<T, T, int> report)
    {
        List<T> first = [], second = [];
        for (int repeat = 0; repeat < plan.Repeats; repeat++)
        {
            if (repeat % 2 == 0)
                first.Add(own());
            second.Add(other());
            if (repeat % 2 != 0)
                first.Add(own());
            report(first[^1], second[^1], repeat + 1);
        }
        return (first, second);
    }

    private static Speed Middle(List<Speed> speeds) =>
        new(Report.Median(speeds.Select(speed => speed.PrefillPerSecond)), Report.Median(speeds.Select(speed => speed.MillisecondsPerToken)));
}
