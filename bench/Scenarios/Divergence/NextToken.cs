using System.Numerics.Tensors;

namespace Retrieval.Scenarios.Divergence;

/// <summary>Distributions of the next token.</summary>
internal static class NextToken
{
    /// <summary>Natural logarithms of probabilities.</summary>
    public static void LogProbabilities(ReadOnlySpan<float> logits, ref float[] result)
    {
        if (result.Length != logits.Length)
            result = new float[logits.Length];
        float max = TensorPrimitives.Max(logits);
        double sum = 0;
        foreach (float logit in logits)
            sum += Math.Exp(logit - max);
        TensorPrimitives.Subtract(logits, (float)(max + Math.Log(sum)), result);
    }

    /// <summary>Kullback-Leibler divergence of a distribution that was found from the true one, in nats; both as logarithms.</summary>
    public static double Divergence(ReadOnlySpan<float> truth, ReadOnlySpan<float> found)
    {
        double sum = 0;
        for (int i = 0; i < truth.Length; i++)
            sum += Math.Exp(truth[i]) * (truth[i] - found[i]);
        return sum;
    }

    /// <summary>Is the most likely token the same?</summary>
    public static bool SameTop(ReadOnlySpan<float> truth, ReadOnlySpan<float> found) => TensorPrimitives.IndexOfMax(truth) == TensorPrimitives.IndexOfMax(found);
}
