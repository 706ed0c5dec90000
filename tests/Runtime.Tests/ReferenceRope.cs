namespace Retrieval.Runtime.Tests;

/// <summary>Rotation speeds written from the papers, in double; independent of the runtime's.</summary>
/// <param name="Dimensions">Rotated elements of a head.</param>
/// <param name="Speeds">Radians a token for a context length, [Dimensions / 2].</param>
/// <param name="Magnitude">Factor on cosine and sine.</param>
internal sealed record ReferenceRope(int Dimensions, Func<int, double[]> Speeds, double Magnitude = 1)
{
    public static ReferenceRope Plain(int dimensions, double theta = 10_000) => new(dimensions, _ => Geometric(dimensions, theta));

    /// <summary>Positions divided by the factor.</summary>
    public static ReferenceRope Linear(int dimensions, double factor)
        => new(dimensions, _ => [.. Geometric(dimensions, 10_000).Select(speed => speed / factor)]);

    /// <summary>Dynamic NTK: from the original length on, the base grows with the length.</summary>
    public static ReferenceRope Dynamic(int dimensions, double factor, int original) => new(dimensions, length =>
    {
        double stretch = length <= original ? 1 : factor * length / original - factor + 1;
        return Geometric(dimensions, 10_000 * Math.Pow(stretch, dimensions / (dimensions - 2.0)));
    });

    /// <summary>NTK by parts (arXiv 2309.00071), with 32 and 1 turns as bounds, rounded outwards to whole pairs.</summary>
    public static ReferenceRope Yarn(int dimensions, double factor, int original)
    {
        double[] speeds = Geometric(dimensions, 10_000);
        double first = Math.Max(0, Math.Floor(PairOf(32))), last = Math.Min(dimensions - 1, Math.Ceiling(PairOf(1)));
        for (int i = 0; i < speeds.Length; i++)
        {
            double interpolated = i <= first ? 0 : i >= last ? 1 : (i - first) / (last - first);
            speeds[i] = speeds[i] / factor * interpolated + speeds[i] * (1 - interpolated);
        }
        return new ReferenceRope(dimensions, _ => speeds, 1 + 0.1 * Math.Log(factor));

        // Solves original · theta^(−2i/d) = 2π · turns for i.
        double PairOf(double turns) => dimensions / 2.0 * Math.Log(original / (2 * Math.PI * turns)) / Math.Log(10_000);
    }

    /// <summary>Wavelengths below original / high stay, above original / low are stretched, between them blended.</summary>
    public static ReferenceRope Llama3(int dimensions, double factor, int original, double low, double high)
    {
        double[] speeds = Geometric(dimensions, 10_000);
        for (int i = 0; i < speeds.Length; i++)
        {
            double wave = 2 * Math.PI / speeds[i], keep = (original / wave - low) / (high - low);
            keep = keep < 0 ? 0 : keep > 1 ? 1 : keep;
            speeds[i] *= keep + (1 - keep) / factor;
        }
        return new ReferenceRope(dimensions, _ => speeds);
    }

    /// <summary>Rotates the pairs (i, i + Dimensions / 2) of a head in place.</summary>
    public void Rotate(Span<double> head, int position, int contextLength)
    {
        double[] speeds = Speeds(contextLength);
        for (int i = 0; i < speeds.Length; i++)
        {
            (double sin, double cos) = Math.SinCos(position * speeds[i]);
            (double a, double b) = (head[i], head[i + speeds.Length]);
            head[i] = (a * cos - b * sin) * Magnitude;
            head[i + speeds.Length] = (b * cos + a * sin) * Magnitude;
        }
    }

    private static double[] Geometric(int dimensions, double theta)
        => [.. Enumerable.Range(0, dimensions / 2).Select(i => 1 / Math.Pow(theta, 2.0 * i / dimensions))];
}
