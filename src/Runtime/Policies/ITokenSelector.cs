namespace Retrieval.Runtime.Policies;

internal interface ITokenSelector;

internal sealed record LayerContext;
