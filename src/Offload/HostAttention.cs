using System.Numerics.Tensors;
using Retrieval.Index.Kernels;

namespace Retrieval.Offload;

/// <summary>
/// Attention of one group of query heads over rows of a <see cref="KvStore"/>, on the processor: keys → logits → online softmax →
/// values, some rows at a time. Rows in pages are read as they are (<see cref="HalfTile"/>), others pass through a float32 tile in the first-level cache.
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
        int dim = store.Layout.HeadDim;
        float* tile = stackalloc float[TileRows * dim];
        float* state = stackalloc float[Accumulator.Floats(partial)];
        var accumulator = new Accumulator(queries, state, partial);
        for (int row = first, run = 0, rows; row < end; row += rows, run -= rows)
        {
            if (run <= 0 && accumulator.ReadsHalves)
                run = store.PageRun(layer, row, end);
            rows = Math.Min(TileRows, run > 0 ? run : end - row);
            // A tile of 64 elements is a page of the processor's, at which the hardware's own prefetching ends.
            store.PrefetchValues(layer, head, row, rows);
            if (run > 0)
            {
                accumulator.Score(store.Key(layer, head, row), rows);
                store.PrefetchKeys(layer, head, row + rows, Math.Min(TileRows, end - row - rows));
                accumulator.Add(store.Value(layer, head, row), rows);
                continue;
            }
            store.ReadKeys(layer, head, row, rows, tile);
            accumulator.Score(tile, rows);
            store.PrefetchKeys(layer, head, row + rows, Math.Min(TileRows, end - row - rows));
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
        float* state = stackalloc float[Accumulator.Floats(partial)];
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
        private readonly float* _scaled;
        private readonly float* _weights;
        private readonly float* _laneSums;
        private readonly AttentionPartial _partial;

        /// <summary>Halves need not be widened.</summary>
        public bool ReadsHalves { get; }

        public Accumulator(float* queries, float* state, AttentionPartial partial)
        {
            _queries = queries;
            _weights = state;
            _laneSums = state + partial.Heads * TileRows;
            _scaled = _laneSums + partial.Heads * OnlineSoftmax.Lanes;
            _partial = partial;
            var query = new ReadOnlySpan<float>(queries, partial.Heads * partial.Dim);
            ReadsHalves = HalfTile.Pays(partial.Dim) && MathF.Abs(TensorPrimitives.MaxMagnitude(query)) <= HalfTile.LargestQuery;
            if (ReadsHalves)
                TensorPrimitives.Multiply(query, HalfTile.Unit, new Span<float>(_scaled, query.Length));
            partial.Clear();
            new Span<float>(_laneSums, partial.Heads * OnlineSoftmax.Lanes).Clear();
        }

        /// <summary>Floats of a state.</summary>
        public static int Floats(AttentionPartial partial) => partial.Heads * (TileRows + OnlineSoftmax.Lanes + partial.Dim);

        /// <summary>Makes weights of the logits of widened keys.</summary>
        public void Score(float* keys, int rows)
        {
            TileScores.Compute(keys, rows, _partial.Dim, _queries, _partial.Heads, _weights, TileRows);
            Weigh(rows);
        }

        /// <summary>The same for keys of halves.</summary>
        public void Score(ushort* keys, int rows)
        {
            HalfTile.Scores(keys, rows, _partial.Dim, _scaled, _partial.Heads, _weights, TileRows);
            Weigh(rows);
        }

        /// <summary>Adds widened values, weighted.</summary>
        public void Add(float* values, int rows)
            => TileWeightedSum.Accumulate(values, rows, _partial.Dim, _weights, TileRows, _partial.Heads, _partial.Output);

        /// <summary>The same for values of halves.</summary>
        public void Add(ushort* values, int rows)
        {
            var weights = new Span<float>(_weights, _partial.Heads * TileRows);
            TensorPrimitives.Multiply(weights, HalfTile.Unit, weights);
            HalfTile.Accumulate(values, rows, _partial.Dim, _weights, TileRows, _partial.Heads, _partial.Output);
        }

        private void Weigh(int rows)
        {
            // The softmax takes whole vectors; what is beyond the last row weighs nothing.
            int dim = _partial.Dim, whole = (rows + OnlineSoftmax.Lanes - 1) / OnlineSoftmax.Lanes * OnlineSoftmax.Lanes;
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
