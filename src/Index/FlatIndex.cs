using System.Numerics.Tensors;
using Retrieval.Index.Kernels;

namespace Retrieval.Index;

/// <summary>
/// Exact search: every key is scored at every search. The score of a row is its attention weight summed over the group,
/// Σ_g softmax_g(q_g · k), which is the mass that dropping the row would lose. Holds nothing beside the rows.
/// </summary>
public sealed unsafe class FlatIndex(IKeyRows rows, int first = 0) : IKeyIndex
{
    // 8 KB at 64 elements: a quarter of the first-level cache, which two hardware threads may share.
    private const int TileRows = 32;

    // One buffer a thread serves all indexes: a model has hundreds of them, and they are searched one after another.
    [ThreadStatic]
    private static float[]? _threadScores;

    [ThreadStatic]
    private static float[]? _threadScratch;

    public int Count { get; private set; }

    public long Bytes => 0;

    public void Append(int count)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        Count = checked(Count + count);
    }

    public void Truncate(int count)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        Count = Math.Min(Count, count);
    }

    public int Search(ReadOnlySpan<float> queries, int k, Span<Hit> hits)
    {
        int dim = rows.Dim, group = queries.Length / dim, count = Count;
        if (count == 0 || k <= 0)
            return 0;
        (float[] allScores, float[] scratch) = Buffers(group, count);
        fixed (float* scores = allScores, query = queries)
        {
            float* tile = stackalloc float[TileRows * dim];
            for (int row = 0; row < count; row += TileRows)
            {
                int tileRows = Math.Min(TileRows, count - row);
                rows.Read(first + row, tileRows, tile);
                TileScores.Compute(tile, tileRows, dim, query, group, scores + row, count);
            }
        }
        for (int g = 0; g < group; g++)
            SoftmaxInto(allScores.AsSpan(g * count, count), g == 0 ? default : allScores.AsSpan(0, count));
        return TopK.Select(allScores.AsSpan(0, count), scratch, k, first, hits);
    }

    private static (float[] Scores, float[] Scratch) Buffers(int group, int count)
    {
        if ((long)group * count > Array.MaxLength)
            throw new InvalidOperationException($"Exact search of {count:N0} rows for {group:N0} queries needs more logits than an array holds ({Array.MaxLength:N0}).");
        // Headroom, so that a growing context does not reallocate at every step.
        int roomy = (int)Math.Min(Array.MaxLength / group, count + count / 4L + 1024);
        if (_threadScores is null || _threadScores.Length < group * count)
            _threadScores = new float[group * roomy];
        if (_threadScratch is null || _threadScratch.Length < count)
            _threadScratch = new float[roomy];
        return (_threadScores, _threadScratch);
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
