using System.Numerics.Tensors;
using Retrieval.Offload;

namespace Retrieval.Scenarios.Frontier;

/// <summary>
/// RetroInfer's estimation zone: a cluster of n rows with centroid c and value sum V counts exp(q · c) V in the numerator and
/// n exp(q · c) in the denominator of attention.
/// </summary>
internal static unsafe class RetroInferEstimate
{
    /// <param name="logits">[heads, stride], q · c of all clusters.</param>
    /// <param name="clusters">Those to estimate.</param>
    /// <param name="partial">Receives the attention over them; empty if there are none.</param>
    public static void Compute(RetroInferIndex index, ReadOnlySpan<float> logits, int stride, ReadOnlySpan<int> clusters, AttentionPartial partial)
    {
        partial.Clear();
        if (clusters.IsEmpty)
            return;
        for (int head = 0; head < partial.Heads; head++)
        {
            ReadOnlySpan<float> own = logits.Slice(head * stride, stride);
            Span<float> output = new(partial.Output + head * partial.Dim, partial.Dim);
            float max = float.NegativeInfinity, sum = 0;
            foreach (int cluster in clusters)
                max = MathF.Max(max, own[cluster]);
            foreach (int cluster in clusters)
            {
                float weight = MathF.Exp(own[cluster] - max);
                sum += weight * index.Size(cluster);
                TensorPrimitives.MultiplyAdd(index.ValueSums.AsSpan(cluster * partial.Dim, partial.Dim), weight, output, output);
            }
            TensorPrimitives.Divide(output, sum, output);
            partial.LogSumExp[head] = max + MathF.Log(sum);
        }
    }
}
