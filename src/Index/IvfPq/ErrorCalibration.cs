using System.Numerics.Tensors;

namespace Retrieval.Index;

/// <summary>
/// Finds what <see cref="CascadeBudget.MaxError"/> a <see cref="Cascade"/> must be given so that the true errors of one KV head
/// stay below a target. The estimate of an error assumes independent rows; how far that is off differs from head to head by an
/// order of magnitude, but little between the queries of a prompt: those whose exact attention is known tell it.
/// </summary>
/// <param name="dim">Elements of a row.</param>
public sealed unsafe class ErrorCalibration(int dim)
{
    /// <summary>Share of the sample's errors that must stay below the target.</summary>
    public const double Quantile = 0.95;

    // The factor is searched for between these, by halving the interval of its logarithm.
    private const double Least = 1.0 / 1024, Most = 2;
    private const int Halvings = 7;

    private readonly List<Sample> _samples = [];

    /// <summary>Takes in one token's queries and what attention gives them.</summary>
    /// <param name="queries">[group, dim], scaled so that a dot product is a logit.</param>
    /// <param name="output">[group, dim]: exact attention over resident and indexed rows.</param>
    public void Add(ReadOnlySpan<float> queries, in ResidentAttention resident, ReadOnlySpan<float> output)
        => _samples.Add(new Sample(queries.ToArray(), resident.Output.ToArray(), resident.LogSumExp.ToArray(), output.ToArray()));

    /// <summary>The largest MaxError that keeps to that of a budget; the same if there are no samples.</summary>
    /// <param name="budget">Target, and bounds that a search keeps to even where the target needs more.</param>
    public float Find(Cascade cascade, IvfPqIndex index, PackedRows[] rows, CascadeBudget budget)
    {
        float target = budget.MaxError;
        if (_samples.Count == 0)
            return target;
        double low = Math.Log(Least * target), high = Math.Log(Most * target);
        for (int i = 0; i < Halvings; i++)
        {
            double middle = (low + high) / 2;
            if (ErrorAt(cascade, index, rows, budget with { MaxError = (float)Math.Exp(middle) }) <= target)
                low = middle;
            else
                high = middle;
        }
        return (float)Math.Exp(low);
    }

    private float ErrorAt(Cascade cascade, IvfPqIndex index, PackedRows[] rows, CascadeBudget budget)
    {
        var errors = new List<float>();
        float[] far = new float[_samples[0].Queries.Length], logSumExp = new float[far.Length / dim], sum = new float[dim];
        foreach (Sample sample in _samples)
        {
            var resident = new ResidentAttention(sample.Resident, sample.LogSumExp);
            fixed (float* output = far, farLogSumExp = logSumExp)
                cascade.Run(index, rows, sample.Queries, resident, budget, output, farLogSumExp);
            for (int g = 0; g < logSumExp.Length; g++)
            {
                // The share of the far part in a softmax over both.
                float share = 1 / (1 + MathF.Exp(sample.LogSumExp[g] - logSumExp[g]));
                TensorPrimitives.Multiply(far.AsSpan(g * dim, dim), share, sum);
                TensorPrimitives.MultiplyAdd(sample.Resident.AsSpan(g * dim, dim), 1 - share, sum, sum);
                ReadOnlySpan<float> expected = sample.Output.AsSpan(g * dim, dim);
                errors.Add(TensorPrimitives.Distance(sum, expected) / MathF.Max(TensorPrimitives.Norm(expected), 1e-30f));
            }
        }
        errors.Sort();
        return errors[(int)Math.Ceiling(Quantile * errors.Count) - 1];
    }

    private sealed record Sample(float[] Queries, float[] Resident, float[] LogSumExp, float[] Output);
}
