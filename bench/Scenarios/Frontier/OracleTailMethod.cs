using System.Numerics.Tensors;
using Retrieval.Index;
using Retrieval.Index.Kernels;
using Retrieval.Offload;
using Retrieval.Runtime.Policies;

namespace Retrieval.Scenarios.Frontier;

/// <summary>
/// The rows of largest weight, and for every other row its exact weight with the mean value of its list in the product's index:
/// what an estimate of the tail could gain if its masses had no error. Neither the choice nor the tail is counted in bytes.
/// </summary>
internal sealed class OracleTailMethod(int[] budgets) : IFrontierMethod
{
    public IReadOnlyList<FrontierPoint> Points { get; } =
        [.. budgets.Select(k => new FrontierPoint($"exact top-{k} + exact mass at list means (index free)", "exact top-k + exact mass at list means (index free)", $"{k}"))];

    public IFarAttention Build(QkvFile file) => new Search(file, budgets);

    private sealed unsafe class Search : IFarAttention
    {
        private readonly QkvFile _file;
        private readonly int[] _budgets, _list;
        private readonly float[] _means, _logits, _weights, _scratch;
        private readonly Hit[] _hits;

        public Search(QkvFile file, int[] budgets)
        {
            (_file, _budgets) = (file, budgets);
            IvfPqIndex index = IvfPqIndex.Build(
                new KvKeyRows(file.Store, 0, 0), new KvValueRows(file.Store, 0, 0), QkvFile.Sinks, file.FarCount, file.Moments, new IvfPqPolicy().IndexOf(file.FarCount));
            (_list, _means) = Lists(file, index);
            _logits = new float[file.Group * file.FarCount];
            _weights = new float[file.Group * file.FarCount];
            _scratch = new float[file.FarCount];
            _hits = new Hit[file.FarCount];
        }

        public long Attend(int point, TestQuery query, AttentionPartial far)
        {
            int count = _file.FarCount, dim = _file.Dim;
            fixed (float* keys = _file.FarKeys, logits = _logits)
                TileScores.Compute(keys, count, dim, query.Scaled, _file.Group, logits, count);
            _logits.CopyTo(_weights, 0);
            GroupWeights.Sum(_weights, _file.Group, count);
            int found = TopK.Select(_weights.AsSpan(0, count), _scratch, Math.Min(_budgets[point], count), 0, _hits);
            for (int g = 0; g < _file.Group; g++)
            {
                Span<float> weights = _logits.AsSpan(g * count, count), output = new(far.Output + g * dim, dim);
                float max = TensorPrimitives.Max<float>(weights);
                TensorPrimitives.Subtract(weights, max, weights);
                TensorPrimitives.Exp(weights, weights);
                float sum = TensorPrimitives.Sum<float>(weights);
                for (int row = 0, hit = 0; row < count; row++)
                {
                    bool chosen = hit < found && _hits[hit].Row == row;
                    hit += chosen ? 1 : 0;
                    ReadOnlySpan<float> value = chosen ? _file.FarValues.Slice(row * dim, dim) : _means.AsSpan(_list[row] * dim, dim);
                    TensorPrimitives.MultiplyAdd(value, weights[row] / sum, output, output);
                }
                far.LogSumExp[g] = max + MathF.Log(sum);
            }
            return found * 2L * _file.Store.Layout.RowBytes;
        }

        public void Dispose() { }

        /// <summary>The list of each far row and the mean values of all lists.</summary>
        private static (int[] List, float[] Means) Lists(QkvFile file, IvfPqIndex index)
        {
            var list = new int[file.FarCount];
            var means = new float[index.Segments.Sum(segment => segment.Lists) * file.Dim];
            int number = 0;
            foreach (IvfPqSegment segment in index.Segments)
            {
                for (int i = 0; i < segment.Lists; i++, number++)
                {
                    Span<float> mean = means.AsSpan(number * file.Dim, file.Dim);
                    for (int place = segment.ListStarts[i]; place < segment.ListStarts[i + 1]; place++)
                    {
                        int row = segment.First - QkvFile.Sinks + segment.Order[place];
                        list[row] = number;
                        TensorPrimitives.Add(mean, file.FarValues.Slice(row * file.Dim, file.Dim), mean);
                    }
                    TensorPrimitives.Divide(mean, segment.ListCount(i), mean);
                }
            }
            return (list, means);
        }
    }
}
