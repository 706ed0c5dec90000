using Retrieval.Index;
using Retrieval.Offload;

namespace Retrieval.Scenarios.Frontier;

/// <summary>Quest (arXiv 2406.10774): pages of 16 rows, chosen by an upper bound of their logits; one choice a KV head; 16-bit.</summary>
internal sealed class QuestMethod(int[] budgets) : IFrontierMethod
{
    public IReadOnlyList<FrontierPoint> Points { get; } = [.. budgets.Select(rows => new FrontierPoint($"Quest, {rows} tokens", "Quest", $"{rows}"))];

    public IFarAttention Build(QkvFile file)
    {
        var index = new PageIndex(new KvKeyRows(file.Store, 0, 0), QkvFile.Sinks);
        index.Append(file.FarCount);
        return new SelectedRows(file, index, budgets, index.SearchBytes);
    }
}
