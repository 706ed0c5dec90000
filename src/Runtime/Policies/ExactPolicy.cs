namespace Retrieval.Runtime.Policies;

/// <summary>The tokens with the largest attention weight, found by scanning every key: the oracle of all retrieval policies.</summary>
public sealed record ExactPolicy : RetrievalPolicy
{
    /// <summary>Tokens read for each KV head beside sinks and window; default 2,048.</summary>
    public int Budget { get; init; } = 2048;

    public override string Name => "exact";

    public override void Validate()
    {
        base.Validate();
        if (Budget < 1)
            throw new InputException($"The budget is {Budget} tokens; it must be at least 1.");
    }

    internal override ITokenSelector? CreateSelector(LayerContext layer) => throw new NotImplementedException();
}
