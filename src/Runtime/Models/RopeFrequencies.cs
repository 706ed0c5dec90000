namespace Retrieval.Runtime.Models;

/// <summary>
/// Rotation speeds of rotary position embeddings and their extensions past the trained length. Position p turns pair i of
/// a head by p · InverseFrequencies[i]; cos and sin are multiplied by <see cref="Magnitude"/>. Formulas: arXiv 2104.09864
/// (RoPE), arXiv 2309.00071 (YaRN, "NTK-by-parts"), and huggingface/transformers src/transformers/modeling_rope_utils.py
/// for linear, dynamic NTK and llama3. Evaluated in 64 bits, rounded once.
/// </summary>
public static class RopeFrequencies
{
    /// <summary>Inverse frequencies in radians a token, [Dimensions / 2].</summary>
    /// <param name="rope">The model's rotary configuration.</param>
    /// <param name="contextLength">Length of the sequence in tokens; only dynamic scaling depends on it.</param>
    public static float[] InverseFrequencies(RopeConfig rope, int contextLength)
    {
        double theta = rope.Scaling == RopeScaling.Dynamic ? DynamicTheta(rope, contextLength) : rope.Theta;
        float[] result = new float[rope.Dimensions / 2];
        (double low, double high) = rope.Scaling == RopeScaling.Yarn ? YarnBounds(rope) : default;
        for (int i = 0; i < result.Length; i++)
        {
            double plain = Math.Pow(theta, -2.0 * i / rope.Dimensions);
            double scaled = rope.Scaling switch
            {
                RopeScaling.Linear => plain / rope.Factor,
                RopeScaling.Llama3 => Llama3(rope, plain),
                RopeScaling.Yarn => Mix(plain, plain / rope.Factor, rope.ExtensionFactor * (1 - Math.Clamp((i - low) / (high - low), 0, 1))),
                _ => plain,
            };
            result[i] = (float)(rope.FrequencyDivisors is float[] divisors ? scaled / divisors[i] : scaled);
        }
        return result;
    }

    /// <summary>Factor on cos and sin: 1 except for YaRN, where it is AttentionFactor or else 0.1 ln(Factor) + 1.</summary>
    public static float Magnitude(RopeConfig rope) =>
        rope.Scaling == RopeScaling.Yarn ? rope.AttentionFactor ?? (float)YarnMagnitude(rope.Factor, 1) : 1;

    /// <summary>0.1 · mscale · ln(factor) + 1 (YaRN, section 3.4), and 1 where nothing is extended.</summary>
    internal static double YarnMagnitude(double factor, double mscale) =>
        factor <= 1 ? 1 : 0.1 * mscale * Math.Log(factor) + 1;

    /// <summary>The base grows with the length, so that short texts keep their trained speeds.</summary>
    private static double DynamicTheta(RopeConfig rope, int contextLength)
    {
        double length = Math.Max(contextLength, rope.OriginalContext);
        double growth = rope.Factor * length / rope.OriginalContext - (rope.Factor - 1);
        return rope.Theta * Math.Pow(growth, rope.Dimensions / (rope.Dimensions - 2.0));
    }

    /// <summary>Short wavelengths stay, long ones are divided by the factor, and between the two bounds they blend.</summary>
    private static double Llama3(RopeConfig rope, double plain)
    {
        double turns = rope.OriginalContext * plain / (2 * Math.PI);
        double kept = (turns - rope.LowFrequencyFactor) / (rope.HighFrequencyFactor - rope.LowFrequencyFactor);
        return Mix(plain, plain / rope.Factor, Math.Clamp(kept, 0, 1));
    }

    /// <summary>Pairs before low turn as trained, pairs from high on are interpolated.</summary>
    private static (double Low, double High) YarnBounds(RopeConfig rope)
    {
        double low = Pair(rope.BetaFast);
        double high = Pair(rope.BetaSlow);
        if (rope.WholeBounds)
            (low, high) = (Math.Floor(low), Math.Ceiling(high));
        low = Math.Max(low, 0);
        high = Math.Min(high, rope.Dimensions - 1);
        return (low, low == high ? high + 0.001 : high);

        // The pair that turns so many times over the original context.
        double Pair(double turns) =>
            rope.Dimensions * Math.Log(rope.OriginalContext / (turns * 2 * Math.PI)) / (2 * Math.Log(rope.Theta));
    }

    private static double Mix(double one, double zero, double weight) => one * weight + zero * (1 - weight);
}
