using Retrieval.Index;
using Retrieval.Offload;
using Retrieval.Runtime.Policies;

namespace Retrieval.Scenarios.Frontier;

/// <summary>The product's own index and cascade over 8-bit rows that its store has packed list after list.</summary>
internal sealed class IvfPqMethod(int rowsPerList, IReadOnlyList<IvfPqPoint> points) : IFrontierMethod
{
    public IReadOnlyList<FrontierPoint> Points { get; } = [.. points.Select(point => point.Describe(rowsPerList))];

    public IFarAttention Build(QkvFile file) => new Search(file, rowsPerList, points);

    private sealed unsafe class Search : IFarAttention
    {
        private readonly KvStore _store;
        private readonly IvfPqIndex _index;
        private readonly PackedRows[] _rows;
        private readonly CascadeBudget[] _budgets;
        private readonly Cascade _cascade = new();

        public Search(QkvFile file, int rowsPerList, IReadOnlyList<IvfPqPoint> points)
        {
            var policy = new IvfPqPolicy { RowsPerList = rowsPerList };
            _store = file.CreateStore(RowFormat.I8);
            _index = IvfPqIndex.Build(new KvKeyRows(_store, 0, 0), new KvValueRows(_store, 0, 0), QkvFile.Sinks, file.FarCount, file.Moments, policy.IndexOf(file.FarCount));
            foreach (IvfPqSegment segment in _index.Segments)
                _store.Pack(0, segment.First, segment.Count, [segment.Order]);
            _rows = [.. _store.Segments(0).Select(segment => segment.Rows(0))];
            _budgets = [.. points.Select(point => point.Budget is not { } budget ? policy.Budget(file.FarCount)
                : budget.MaxError == 0 ? budget
                : budget with { MaxError = file.Calibration.Find(_cascade, _index, _rows, budget) })];
        }

        /// <summary>Bytes that every search reads whatever its budget: the query transform, the codebooks, scales and moments of the codec.</summary>
        private long SharedBytes => _index.Codec.Bytes - sizeof(float) * (long)_index.Codec.KeyTransform.Length
            + _index.Segments.Count * sizeof(float) * (2L * _index.Codec.Dim + IvfPqCodec.Bands);

        public long Attend(int point, TestQuery query, AttentionPartial far)
        {
            _cascade.Run(_index, _rows, query.Queries, query.Resident, _budgets[point], far.Output, far.LogSumExp);
            return _cascade.Bytes.Total + SharedBytes;
        }

        public void Dispose() => _store.Dispose();
    }
}
