using System.Diagnostics;

namespace Retrieval.Runtime.Models;

/// <summary>
/// How fast this machine reads, measured: some chunks pass one layer, and since each meets more keys than the one before, a line
/// through their times separates matrices from attention. Takes some tenths of a second for a small model.
/// </summary>
/// <param name="Matrices">Seconds for a multiplication with weights.</param>
/// <param name="Attention">Seconds for a multiplication with keys and values.</param>
internal readonly record struct PrefillRate(double Matrices, double Attention)
{
    // The first is a warm-up: code is compiled and weights are converted.
    private const int Chunks = 9;
    private static readonly TimeSpan Enough = TimeSpan.FromSeconds(2);

    /// <param name="state">An empty sequence that reads with exact attention, of no use afterwards.</param>
    public static PrefillRate Measure(Decoder decoder, ModelConfig model, SequenceState state)
    {
        int layer = Math.Max(0, model.LayerKinds.ToList().FindIndex(kind => kind.SlidingWindow is null));
        var points = new List<(PrefillCost Cost, double Seconds)>();
        long begin = Stopwatch.GetTimestamp();
        for (int i = 0; i < Chunks && (i < 3 || Stopwatch.GetElapsedTime(begin) < Enough); i++)
        {
            long chunk = Stopwatch.GetTimestamp();
            decoder.Probe(state, layer, i * decoder.Chunk);
            if (i > 0)
                points.Add((PrefillWork.Cost(model, layer, i * decoder.Chunk, decoder.Chunk, null, wholeLastLayer: true), Stopwatch.GetElapsedTime(chunk).TotalSeconds));
        }
        return Fit(points);
    }

    public double Seconds(PrefillCost cost) => cost.Matrices * Matrices + cost.Attention * Attention;

    /// <summary>The line of median slope (Theil and Sen) through chunks whose matrices cost the same, because one of them may be disturbed; one rate for both where it makes no sense.</summary>
    internal static PrefillRate Fit(IReadOnlyList<(PrefillCost Cost, double Seconds)> points)
    {
        double matrices = points.Average(point => point.Cost.Matrices), common = Median(points.Select(point => point.Seconds / point.Cost.Sum));
        double slope = Median(
            from one in points
            from other in points
            where one.Cost.Attention < other.Cost.Attention
            select (other.Seconds - one.Seconds) / (other.Cost.Attention - one.Cost.Attention));
        double rest = Median(points.Select(point => point.Seconds - slope * point.Cost.Attention)) / matrices;
        return slope > 0 && rest > 0 ? new PrefillRate(rest, slope) : new PrefillRate(common, common);

        static double Median(IEnumerable<double> values)
        {
            double[] sorted = [.. values.Order()];
            return sorted.Length == 0 ? 0 : (sorted[(sorted.Length - 1) / 2] + sorted[sorted.Length / 2]) / 2;
        }
    }
}
