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
    private const int Chunks = 6;
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
                points.Add((PrefillWork.Cost(model, layer, i * decoder.Chunk, decoder.Chunk, int.MaxValue, wholeLastLayer: true), Stopwatch.GetElapsedTime(chunk).TotalSeconds));
        }
        return Fit(points);
    }

    public double Seconds(PrefillCost cost) => cost.Matrices * Matrices + cost.Attention * Attention;

    /// <summary>Least squares over chunks whose matrices cost the same; one rate for both where the line makes no sense.</summary>
    internal static PrefillRate Fit(IReadOnlyList<(PrefillCost Cost, double Seconds)> points)
    {
        double time = points.Average(point => point.Seconds), attention = points.Average(point => point.Cost.Attention);
        double matrices = points.Average(point => point.Cost.Matrices), common = time / (matrices + attention);
        double spread = points.Sum(point => Square(point.Cost.Attention - attention));
        double slope = spread == 0 ? common : points.Sum(point => (point.Cost.Attention - attention) * (point.Seconds - time)) / spread;
        double rest = (time - slope * attention) / matrices;
        return slope > 0 && rest > 0 ? new PrefillRate(rest, slope) : new PrefillRate(common, common);

        static double Square(double value) => value * value;
    }
}
