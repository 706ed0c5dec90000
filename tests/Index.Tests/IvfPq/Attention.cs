namespace Retrieval.Index.Tests.IvfPq;

/// <summary>What attention of a group gives, and as the definition says it, in double.</summary>
/// <param name="Output">[group, dim]</param>
/// <param name="LogSumExp">[group]</param>
internal sealed record Attention(float[] Output, float[] LogSumExp, CascadeBytes Bytes = default)
{
    /// <summary>Full softmax attention over rows [first, end).</summary>
    /// <param name="queries">[group, dim], scaled.</param>
    public static Attention Full(MemoryRows keys, MemoryRows values, int first, int end, ReadOnlySpan<float> queries)
    {
        int dim = keys.Dim, group = queries.Length / dim;
        float[] output = new float[group * dim], logSumExp = new float[group];
        var logits = new double[end - first];
        var sums = new double[dim];
        for (int g = 0; g < group; g++)
        {
            for (int row = first; row < end; row++)
            {
                double dot = 0;
                for (int i = 0; i < dim; i++)
                    dot += (double)queries[g * dim + i] * keys.Values[row * dim + i];
                logits[row - first] = dot;
            }
            double max = logits.Max(), total = logits.Sum(x => Math.Exp(x - max));
            Array.Clear(sums);
            for (int row = first; row < end; row++)
            {
                double weight = Math.Exp(logits[row - first] - max) / total;
                for (int i = 0; i < dim; i++)
                    sums[i] += weight * values.Values[row * dim + i];
            }
            for (int i = 0; i < dim; i++)
                output[g * dim + i] = (float)sums[i];
            logSumExp[g] = (float)(max + Math.Log(total));
        }
        return new Attention(output, logSumExp);
    }

    /// <summary>Attention over both parts.</summary>
    public Attention Merge(Attention other)
    {
        int dim = Output.Length / LogSumExp.Length;
        float[] output = new float[Output.Length], logSumExp = new float[LogSumExp.Length];
        for (int g = 0; g < logSumExp.Length; g++)
        {
            double max = Math.Max(LogSumExp[g], other.LogSumExp[g]), a = Math.Exp(LogSumExp[g] - max), b = Math.Exp(other.LogSumExp[g] - max);
            for (int i = g * dim; i < (g + 1) * dim; i++)
                output[i] = (float)((a * Output[i] + b * other.Output[i]) / (a + b));
            logSumExp[g] = (float)(max + Math.Log(a + b));
        }
        return new Attention(output, logSumExp);
    }

    /// <summary>|o − o'| / |o'| of each query.</summary>
    public double[] Errors(ReadOnlySpan<float> expected)
    {
        int dim = Output.Length / LogSumExp.Length;
        var errors = new double[LogSumExp.Length];
        for (int g = 0; g < errors.Length; g++)
        {
            double difference = 0, size = 0;
            for (int i = g * dim; i < (g + 1) * dim; i++)
            {
                difference += Math.Pow((double)Output[i] - expected[i], 2);
                size += (double)expected[i] * expected[i];
            }
            errors[g] = Math.Sqrt(difference / size);
        }
        return errors;
    }
}
