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

    private float[] _scores = [];
    private float[] _scratch = [];

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
        if (_scores.Length < group * count || _scratch.Length < count)
        {
            // Headroom, so that a growing context does not reallocate at every step.
            _scores = new float[group * (count + count / 4 + 1024)];
            _scratch = new float[_scores.Length / group];
        }
        fixed (float* scores = _scores, query = queries)
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
            SoftmaxInto(_scores.AsSpan(g * count, count), g == 0 ? default : _scores.AsSpan(0, count));
        return TopK.Select(_scores.AsSpan(0, count), _scratch, k, first, hits);
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
