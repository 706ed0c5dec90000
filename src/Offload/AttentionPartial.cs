using System.Numerics.Tensors;

namespace Retrieval.Offload;

/// <summary>
/// Softmax attention of a group of query heads over a part of the tokens: the output normalised over that part, and the
/// log-sum-exp of its logits. Partials over disjoint parts merge to the attention over their union, in any order
/// (FlashAttention, arXiv 2205.14135; RetrievalAttention, arXiv 2409.10516, algorithm 1).
/// </summary>
/// <remarks>An empty part has log-sum-exp −∞ and output 0. Merging two empty parts leaves an empty part.</remarks>
public readonly unsafe struct AttentionPartial
{
    private readonly float* _memory;

    /// <param name="memory">Room for <see cref="Floats"/>(heads, dim) floats; the caller keeps it alive.</param>
    public AttentionPartial(float* memory, int heads, int dim)
    {
        _memory = memory;
        Heads = heads;
        Dim = dim;
    }

    /// <summary>Query heads.</summary>
    public int Heads { get; }

    /// <summary>Elements of an output.</summary>
    public int Dim { get; }

    /// <summary>[heads, dim]</summary>
    public float* Output => _memory;

    /// <summary>[heads]</summary>
    public float* LogSumExp => _memory + (long)Heads * Dim;

    /// <summary>Floats that a partial occupies.</summary>
    public static int Floats(int heads, int dim) => heads * (dim + 1);

    /// <summary>Makes this the partial over no tokens.</summary>
    public void Clear()
    {
        new Span<float>(Output, Heads * Dim).Clear();
        new Span<float>(LogSumExp, Heads).Fill(float.NegativeInfinity);
    }

    /// <summary>This becomes the attention over both parts, which must be disjoint.</summary>
    public void Merge(AttentionPartial other)
    {
        for (int head = 0; head < Heads; head++)
        {
            float a = LogSumExp[head], b = other.LogSumExp[head];
            if (float.IsNegativeInfinity(b))
                continue;
            float max = MathF.Max(a, b);
            float weightA = MathF.Exp(a - max), weightB = MathF.Exp(b - max), sum = weightA + weightB;
            Span<float> output = new(Output + (long)head * Dim, Dim);
            TensorPrimitives.Multiply(output, weightA / sum, output);
            TensorPrimitives.MultiplyAdd(new ReadOnlySpan<float>(other.Output + (long)head * Dim, Dim), weightB / sum, output, output);
            LogSumExp[head] = max + MathF.Log(sum);
        }
    }
}
