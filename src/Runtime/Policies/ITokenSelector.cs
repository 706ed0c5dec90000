using Retrieval.Offload;

namespace Retrieval.Runtime.Policies;

/// <summary>
/// What retrieval methods differ in: for one layer of one sequence, which tokens between the sinks and the window a decode
/// step reads. These far tokens are the rows [sinks, length − window) of the KV store.
/// </summary>
internal interface ITokenSelector : IDisposable
{
    /// <summary>Bytes of the index.</summary>
    long IndexBytes { get; }

    /// <summary>A prompt, or a further piece of one, has been read: <paramref name="rows"/> rows are new.</summary>
    void Prefill(int rows);

    /// <summary>The window moved on in decode and left <paramref name="rows"/> rows behind.</summary>
    void Append(int rows);

    /// <summary>Only the first <paramref name="rows"/> far rows remain.</summary>
    void Truncate(int rows);

    /// <summary>Chooses rows for one token; called with every KV head's queries at once.</summary>
    void Select(in DecodeQuery query, Selection selection);
}

/// <summary>What a selector may know about its layer.</summary>
/// <param name="Store">Rows of the sequence.</param>
/// <param name="Layer">Layer of the model.</param>
/// <param name="Group">Query heads for each KV head.</param>
/// <param name="Sinks">Row number of the first far row.</param>
/// <param name="Workers">Threads to search with.</param>
internal sealed record LayerContext(KvStore Store, int Layer, int Group, int Sinks, Index.WorkerPool Workers);

/// <summary>The queries of one token.</summary>
/// <param name="Queries">[heads, headDim], after RoPE, scaled by 1/√headDim, so that a dot product with a stored key is a logit.</param>
internal readonly unsafe record struct DecodeQuery(nint Queries, int HeadDim, int Group)
{
    /// <summary>Queries of one KV head's group, [group, headDim].</summary>
    public ReadOnlySpan<float> Of(int kvHead) => new((float*)Queries + (long)kvHead * Group * HeadDim, Group * HeadDim);
}
