namespace Retrieval.Scenarios.Frontier;

/// <summary>One method at one budget on one file.</summary>
/// <param name="BytesPct">Bytes read for one query of the whole group, in percent of the 16-bit far keys and values.</param>
/// <param name="MeanError">|o − o_full| / |o_full|, mean over queries and heads.</param>
/// <param name="P95Error">The same at the 95th percentile.</param>
internal sealed record FrontierResult(string File, string Method, double BytesPct, double MeanError, double P95Error)
{
    /// <summary>The quantile of some values, linear between neighbours.</summary>
    /// <param name="share">0 to 1.</param>
    public static double Quantile(IEnumerable<float> values, double share)
    {
        float[] sorted = [.. values.Order()];
        double place = share * (sorted.Length - 1);
        int below = (int)place;
        return sorted[below] + (place - below) * (sorted[Math.Min(below + 1, sorted.Length - 1)] - sorted[below]);
    }
}
