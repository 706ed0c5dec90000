using System.Text.Json.Serialization;

namespace Retrieval.Runtime.Policies;

/// <summary>Sinks and window, nothing else (StreamingLLM, arXiv 2309.17453, with true positions): the lower bound of all other policies.</summary>
public sealed record StreamingPolicy : RetrievalPolicy
{
    [JsonIgnore]
    public override string Name => "streaming";

    internal override ITokenSelector CreateSelector(LayerContext layer) => new IndexlessSelector(drops: true);
}
