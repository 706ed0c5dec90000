using Retrieval.Index;
using Retrieval.Offload;

namespace Retrieval.Scenarios.Frontier;

/// <summary>
/// The rows of largest attention weight, found by a perfect index whose bytes are not counted, and the others dropped: the best
/// that selecting rows can do. One set a KV head, by the softmax summed over the group, as the policy <c>exact</c> chooses.
/// </summary>
internal sealed class OracleMethod(int[] budgets) : IFrontierMethod
{
    public IReadOnlyList<FrontierPoint> Points { get; } =
        [.. budgets.Select(k => new FrontierPoint($"exact top-{k} (index free)", "exact top-k, tail dropped (index free)", $"{k}"))];

    public IFarAttention Build(QkvFile file) => new Search(file, budgets);

    private sealed unsafe class Search : IFarAttention
    {
        private readonly QkvFile _file;
        private readonly int[] _budgets;
        private readonly FlatIndex _index;
        private readonly Hit[] _hits;

        public Search(QkvFile file, int[] budgets)
        {
            (_file, _budgets) = (file, budgets);
            _index = new FlatIndex(new KvKeyRows(file.Store, 0, 0), QkvFile.Sinks);
            _index.Append(file.FarCount);
            _hits = new Hit[budgets.Max()];
        }

        public long Attend(int point, TestQuery query, AttentionPartial far)
        {
            int found = _index.Search(query.Queries, Math.Min(_budgets[point], _file.FarCount), _hits);
            int[] rows = [.. _hits.Take(found).Select(hit => hit.Row)];
            HostAttention.Attend(_file.Store, 0, 0, rows, query.Scaled, far);
            return found * 2L * _file.Store.Layout.RowBytes;
        }

        public void Dispose() { }
    }
}
