using Retrieval.Offload;

namespace Retrieval.Scenarios.Frontier;

/// <summary>Sinks and window only: what every method starts from.</summary>
internal sealed class ResidentMethod : IFrontierMethod
{
    public IReadOnlyList<FrontierPoint> Points => [new("sinks + window only", "sinks + window only", "")];

    public IFarAttention Build(QkvFile file) => new Nothing();

    private sealed class Nothing : IFarAttention
    {
        public long Attend(int point, TestQuery query, AttentionPartial far) => 0;

        public void Dispose() { }
    }
}
