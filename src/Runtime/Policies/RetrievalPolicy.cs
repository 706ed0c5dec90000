using System.Text.Json.Serialization;

namespace Retrieval.Runtime.Policies;

/// <summary>
/// Which tokens outside sinks and window a decode step attends to: an immutable, printable description that creates
/// one <see cref="ITokenSelector"/> a layer. A method is one record and one selector.
/// </summary>
[JsonPolymorphic(TypeDiscriminatorPropertyName = "policy")]
[JsonDerivedType(typeof(FullPolicy), "full")]
[JsonDerivedType(typeof(StreamingPolicy), "streaming")]
[JsonDerivedType(typeof(ExactPolicy), "exact")]
[JsonDerivedType(typeof(IvfPqPolicy), "ivf-pq")]
public abstract record RetrievalPolicy
{
    /// <summary>Names that <see cref="FromName"/> knows, for help texts.</summary>
    public static IReadOnlyList<string> Names { get; } = ["ivf-pq", "full", "streaming", "exact"];

    /// <summary>First tokens of the context, always attended exactly; default 64 (StreamingLLM, arXiv 2309.17453, uses 4; the qkv protocol 64).</summary>
    public int Sinks { get; init; } = 64;

    /// <summary>Most recent tokens, always attended exactly; default 512.</summary>
    public int Window { get; init; } = 512;

    [JsonIgnore]
    public abstract string Name { get; }

    /// <summary>The policy of that name with default options.</summary>
    /// <exception cref="InputException">No policy has that name.</exception>
    public static RetrievalPolicy FromName(string name) => name switch
    {
        "ivf-pq" => new IvfPqPolicy(),
        "full" => new FullPolicy(),
        "streaming" => new StreamingPolicy(),
        "exact" => new ExactPolicy(),
        _ => throw new InputException($"There is no policy '{name}'; choose one of {string.Join(", ", Names)}."),
    };

    /// <summary>Throws an <see cref="InputException"/> if an option is out of its range.</summary>
    public virtual void Validate()
    {
        if (Sinks < 0)
            throw new InputException($"The number of sink tokens is {Sinks}; it must be 0 or more.");
        if (Window < 1)
            throw new InputException($"The local window is {Window} tokens; it must be at least 1, so that a token can see itself.");
    }

    /// <summary>The selector of one layer that sees all tokens; sliding layers have none, because their window holds all they see.</summary>
    internal abstract ITokenSelector CreateSelector(LayerContext layer);

    /// <summary>Do its selectors pack the rows of the store in an order of their own?</summary>
    internal virtual bool PacksRows => false;

    /// <summary>The selector of a fork, from that of the sequence that it comes from; null: what that one knows is of no use.</summary>
    internal virtual ITokenSelector? ForkSelector(ITokenSelector source, LayerContext layer) => null;
}
