using Retrieval.Index;
using Retrieval.Index.Kernels;
using Retrieval.Offload;

namespace Retrieval.Scenarios.Frontier;

/// <summary>
/// RetroInfer (arXiv 2505.02922) as published: clusters ranked by the softmax of their centroids' logits, summed over the group;
/// the first are attended to exactly, the next 23.2 % estimated, the rest dropped. In 16 bits, or everything in 8.
/// </summary>
internal sealed class RetroInferMethod(RowFormat format, double[] retrieved) : IFrontierMethod
{
    private const double Estimated = 0.232;

    public IReadOnlyList<FrontierPoint> Points { get; } = [.. retrieved.Select(share => Point(format, share))];

    public IFarAttention Build(QkvFile file) => new Search(file, format, retrieved);

    private static FrontierPoint Point(RowFormat format, double share)
    {
        string family = format == RowFormat.F16 ? "RetroInfer" : "RetroInfer, everything 8-bit", label = $"{100 * share:0.#} %";
        return new FrontierPoint($"{family}, {label}", family, label);
    }

    private sealed unsafe class Search : IFarAttention
    {
        private readonly QkvFile _file;
        private readonly double[] _retrieved;
        private readonly KvStore _store;
        private readonly RetroInferIndex _index;
        private readonly float[] _logits, _ranks, _scratch;
        private readonly Hit[] _hits;
        private readonly PartialMemory _estimate;

        public Search(QkvFile file, RowFormat format, double[] retrieved)
        {
            (_file, _retrieved) = (file, retrieved);
            _index = new RetroInferIndex(file.FarKeys.ToArray(), file.FarValues.ToArray(), file.Dim, format);
            _store = file.CreateStore(format);
            _store.Pack(0, QkvFile.Sinks, file.FarCount, [_index.Order]);
            _logits = new float[file.Group * _index.Clusters];
            _ranks = new float[file.Group * _index.Clusters];
            _scratch = new float[_index.Clusters];
            _hits = new Hit[_index.Clusters];
            _estimate = new PartialMemory(file.Group, file.Dim);
        }

        public long Attend(int point, TestQuery query, AttentionPartial far)
        {
            int clusters = _index.Clusters;
            fixed (float* centroids = _index.Centroids, logits = _logits)
                TileScores.Compute(centroids, clusters, _file.Dim, query.Scaled, _file.Group, logits, clusters);
            _logits.CopyTo(_ranks, 0);
            GroupWeights.Sum(_ranks, _file.Group, clusters);
            int[] exact = Best((int)Math.Round(_retrieved[point] * clusters));
            int[] estimated = [.. Best((int)Math.Round(_retrieved[point] * clusters) + (int)Math.Round(Estimated * clusters)).Except(exact)];

            int[] rows = [.. exact.SelectMany(cluster => Enumerable.Range(QkvFile.Sinks + _index.Starts[cluster], _index.Size(cluster)))];
            HostAttention.Attend(_store, 0, 0, rows, query.Scaled, far);
            RetroInferEstimate.Compute(_index, _logits, clusters, estimated, _estimate.Partial);
            far.Merge(_estimate.Partial);
            // All centroids; rows of the exact clusters; value sums and 16-bit sizes of the estimated ones.
            long row = _store.Layout.PackedRowBytes;
            return clusters * row + rows.Length * 2 * row + estimated.Length * (row + sizeof(ushort));
        }

        public void Dispose() => _store.Dispose();

        /// <summary>The clusters of highest rank, ascending.</summary>
        private int[] Best(int count)
        {
            int found = TopK.Select(_ranks.AsSpan(0, _index.Clusters), _scratch, count, 0, _hits);
            return [.. _hits.Take(found).Select(hit => hit.Row)];
        }
    }
}
