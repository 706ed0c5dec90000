using System.Text.Json.Serialization;

namespace Retrieval.Scenarios.Frontier;

/// <summary>One method at one budget on one file.</summary>
/// <param name="BytesPct">Bytes read for one query of the whole group, in percent of the 16-bit far keys and values.</param>
/// <param name="Errors">|o − o_full| / |o_full| of every query and head.</param>
internal sealed record FrontierResult(string File, string Method, double BytesPct, [property: JsonIgnore] float[] Errors)
{
    /// <summary>Mean over queries and heads.</summary>
    public double MeanError { get; } = Errors.Average(error => (double)error);

    /// <summary>95th percentile over queries and heads.</summary>
    public double P95Error { get; } = Quantile(Errors, 0.95);

    /// <summary>One method at one budget over all files: mean of bytes, and errors of all files together.</summary>
    public static FrontierResult Pool(IReadOnlyCollection<FrontierResult> files) => new(
        $"{files.Count} files", files.First().Method, files.Average(file => file.BytesPct), [.. files.SelectMany(file => file.Errors)]);

    /// <summary>The quantile of some values, linear between neighbours.</summary>
    /// <param name="share">0 to 1.</param>
    public static double Quantile(IReadOnlyCollection<float> values, double share)
    {
        float[] sorted = [.. values.Order()];
        double place = share * (sorted.Length - 1);
        int below = (int)place, above = Math.Min(below + 1, sorted.Length - 1);
        return sorted[below] + (place - below) * (sorted[above] - sorted[below]);
    }
}
