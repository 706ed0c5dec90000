using System.Numerics.Tensors;

namespace Retrieval.Index;

/// <summary>Logits of a group of queries, and their probabilities summed over the group: Σ_g softmax_g.</summary>
internal static class GroupWeights
{
    // One buffer a thread serves all indexes: a model has hundreds of them, and they are searched one after another.
    [ThreadStatic]
    private static float[]? _threadLogits;

    [ThreadStatic]
    private static float[]? _threadScratch;

    /// <summary>Memory of this thread for [group, count] logits and for <see cref="TopK"/> over their sums; anything may be in it.</summary>
    public static (float[] Logits, float[] Scratch) Buffers(int group, int count)
    {
        if ((long)group * count > Array.MaxLength)
            throw new InvalidOperationException($"A search of {count:N0} rows for {group:N0} queries needs more logits than an array holds ({Array.MaxLength:N0}).");
        // Headroom, so that a growing context does not reallocate at every step.
        int roomy = (int)Math.Min(Array.MaxLength / group, count + count / 4L + 1024);
        if (_threadLogits is null || _threadLogits.Length < group * count)
            _threadLogits = new float[group * roomy];
        if (_threadScratch is null || _threadScratch.Length < count)
            _threadScratch = new float[roomy];
        return (_threadLogits, _threadScratch);
    }

    /// <summary>Replaces logits with probabilities; the first <paramref name="count"/> become the sums over the group.</summary>
    /// <param name="logits">[group, count]</param>
    public static void Sum(Span<float> logits, int group, int count)
    {
        for (int g = 0; g < group; g++)
            SoftmaxInto(logits.Slice(g * count, count), g == 0 ? default : logits[..count]);
    }

    /// <summary>Logits to probabilities, in place, or added to <paramref name="sum"/> if there is one.</summary>
    private static void SoftmaxInto(Span<float> logits, Span<float> sum)
    {
        TensorPrimitives.Subtract(logits, TensorPrimitives.Max<float>(logits), logits);
        TensorPrimitives.Exp(logits, logits);
        float scale = 1 / TensorPrimitives.Sum<float>(logits);
        if (sum.IsEmpty)
            TensorPrimitives.Multiply(logits, scale, logits);
        else
            TensorPrimitives.MultiplyAdd(logits, scale, sum, sum);
    }
}
