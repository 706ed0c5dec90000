using System.Numerics.Tensors;
using Retrieval.Index.Kernels;

namespace Retrieval.Offload;

/// <summary>
/// Attention of one group of query heads over rows of a <see cref="KvStore"/>, on the processor. Rows pass through a float32
/// tile in the first-level cache: keys → logits → online softmax → values.
/// </summary>
public static unsafe class HostAttention
{
    // 8 KB at 64 elements: a quarter of the first-level cache, which two hardware threads may share.
    private const int TileRows = 32;

    /// <summary>Attends to the contiguous rows [first, end).</summary>
    /// <param name="queries">[group, headDim], scaled by 1/√headDim.</param>
    /// <param name="partial">Receives the result; its heads are the group.</param>
    public static void Attend(KvStore store, int layer, int head, int first, int end, float* queries, AttentionPartial partial)
    {
        float* tile = stackalloc float[TileRows * store.Layout.HeadDim];
        float* state = stackalloc float[partial.Heads * (TileRows + OnlineSoftmax.Lanes)];
        var accumulator = new Accumulator(queries, state, partial);
        for (int row = first; row < end; row += TileRows)
        {
            // A tile of 64 elements is a page of the processor's, at which the hardware's own prefetching ends.
            int rows = Math.Min(TileRows, end - row), next = row + rows;
            store.PrefetchValues(layer, head, row, rows);
            store.ReadKeys(layer, head, row, rows, tile);
            accumulator.Score(tile, rows);
            store.PrefetchKeys(layer, head, next, Math.Min(TileRows, end - next));
            store.ReadValues(layer, head, row, rows, tile);
            accumulator.Add(tile, rows);
        }
        accumulator.Finish();
    }

    /// <summary>Attends to chosen rows.</summary>
    /// <param name="rows">Row numbers, ascending and without duplicates.</param>
    public static void Attend(KvStore store, int layer, int head, ReadOnlySpan<int> rows, float* queries, AttentionPartial partial)
    {
        int dim = store.Layout.HeadDim;
        float* tile = stackalloc float[TileRows * dim];
        float* state = stackalloc float[partial.Heads * (TileRows + OnlineSoftmax.Lanes)];
        var accumulator = new Accumulator(queries, state, partial);
        for (int i = 0; i < rows.Length; i += TileRows)
        {
            ReadOnlySpan<int> chosen = rows.Slice(i, Math.Min(TileRows, rows.Length - i));
            for (int r = 0; r < chosen.Length; r++)
                store.ReadKeys(layer, head, chosen[r], 1, tile + r * dim);
            accumulator.Score(tile, chosen.Length);
            for (int r = 0; r < chosen.Length; r++)
                store.ReadValues(layer, head, chosen[r], 1, tile + r * dim);
            accumulator.Add(tile, chosen.Length);
        }
        accumulator.Finish();
    }

    /// <summary>The unnormalised state of a partial while tiles arrive: output sums in place, references in LogSumExp, sums apart.</summary>
    private readonly ref struct Accumulator
    {
        private readonly float* _queries;
        private readonly float* _weights;
        private readonly float* _laneSums;
        private readonly AttentionPartial _partial;

        public Accumulator(float* queries, float* state, AttentionPartial partial)
        {
            _queries = queries;
            _weights = state;
            _laneSums = state + partial.Heads * TileRows;
            _partial = partial;
            partial.Clear();
            new Span<float>(_laneSums, partial.Heads * OnlineSoftmax.Lanes).Clear();
        }

        public void Score(float* keys, int rows)
        {
            // The softmax takes whole vectors; what is beyond the last row weighs nothing.
            int dim = _partial.Dim, whole = (rows + OnlineSoftmax.Lanes - 1) / OnlineSoftmax.Lanes * OnlineSoftmax.Lanes;
            TileScores.Compute(keys, rows, dim, _queries, _partial.Heads, _weights, TileRows);
            for (int g = 0; g < _partial.Heads; g++)
            {
                float* weights = _weights + g * TileRows;
                new Span<float>(weights + rows, whole - rows).Fill(float.NegativeInfinity);
                float rescale = OnlineSoftmax.Step(weights, whole, ref _partial.LogSumExp[g], _laneSums + g * OnlineSoftmax.Lanes);
                if (rescale == 1)
                    continue;
                var output = new Span<float>(_partial.Output + g * dim, dim);
                TensorPrimitives.Multiply(output, rescale, output);
            }
        }

        public void Add(float* values, int rows)
            => TileWeightedSum.Accumulate(values, rows, _partial.Dim, _weights, TileRows, _partial.Heads, _partial.Output);

        public void Finish()
        {
            int dim = _partial.Dim;
            for (int g = 0; g < _partial.Heads; g++)
            {
                float sum = OnlineSoftmax.Sum(_laneSums + g * OnlineSoftmax.Lanes);
                if (sum == 0)
                    continue;
                var output = new Span<float>(_partial.Output + g * dim, dim);
                TensorPrimitives.Multiply(output, 1 / sum, output);
                _partial.LogSumExp[g] += MathF.Log(sum);
            }
        }
    }
}
