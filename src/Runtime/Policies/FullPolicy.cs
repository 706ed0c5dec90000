using System.Text.Json.Serialization;

namespace Retrieval.Runtime.Policies;

/// <summary>Every token, exactly: what the model was trained with, and the yardstick of all other policies.</summary>
public sealed record FullPolicy : RetrievalPolicy
{
    [JsonIgnore]
    public override string Name => "full";

    internal override ITokenSelector CreateSelector(LayerContext layer) => new IndexlessSelector(drops: false);
}
