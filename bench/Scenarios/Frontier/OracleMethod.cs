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
        [.. budgets.Select(k => new FrontierPoint($"exact top-{k}, tail dropped (index free)", "exact top-k, tail dropped (index free)", $"{k}"))];

    public IFarAttention Build(QkvFile file)
    {
        var index = new FlatIndex(new KvKeyRows(file.Store, 0, 0), QkvFile.Sinks);
        index.Append(file.FarCount);
        return new SelectedRows(file, index, budgets, 0);
    }
}
