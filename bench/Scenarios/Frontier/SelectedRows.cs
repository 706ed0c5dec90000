using Retrieval.Index;
using Retrieval.Offload;

namespace Retrieval.Scenarios.Frontier;

/// <summary>Exact attention to the rows that an index finds, 16-bit; the others are dropped.</summary>
/// <param name="budgets">Rows, one budget a point.</param>
/// <param name="searchBytes">What the index reads to find them.</param>
internal sealed unsafe class SelectedRows(QkvFile file, IKeyIndex index, int[] budgets, long searchBytes) : IFarAttention
{
    private readonly Hit[] _hits = new Hit[file.FarCount];

    public long Attend(int point, TestQuery query, AttentionPartial far)
    {
        int found = index.Search(query.Queries, Math.Min(budgets[point], file.FarCount), _hits);
        int[] rows = [.. _hits.Take(found).Select(hit => hit.Row)];
        HostAttention.Attend(file.Store, 0, 0, rows, query.Scaled, far);
        return searchBytes + found * 2L * file.Store.Layout.RowBytes;
    }

    public void Dispose() { }
}
