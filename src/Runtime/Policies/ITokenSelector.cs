using Retrieval.Index;
using Retrieval.Offload;

namespace Retrieval.Runtime.Policies;

/// <summary>
/// What retrieval methods differ in: for one layer of one sequence, what a decode step reads between the sinks and the window.
/// These far tokens are the rows [sinks, length − window) of the KV store. The first <see cref="Searched"/> of them are answered
/// by <see cref="Select"/>; the rest are attended to exactly, as sinks and window are.
/// </summary>
internal interface ITokenSelector : IDisposable
{
    /// <summary>Bytes of the index.</summary>
    long IndexBytes { get; }

    /// <summary>Bytes of index and rows that <see cref="Select"/> has read itself since the beginning.</summary>
    long BytesRead { get; }

    /// <summary>Far rows, counted from the first, that <see cref="Select"/> speaks for. Settles the selector.</summary>
    int Searched { get; }

    /// <summary>A prompt, or a further piece of one, has been read: <paramref name="rows"/> rows are new.</summary>
    /// <param name="queries">What is kept of all queries that the sequence's prompts have put to the layer.</param>
    void Prefill(int rows, PromptQueries queries);

    /// <summary>The window moved on in decode and left <paramref name="rows"/> rows behind.</summary>
    void Append(int rows);

    /// <summary>Only the first <paramref name="rows"/> far rows remain. Called after the store has forgotten the others.</summary>
    void Truncate(int rows);

    /// <summary>Waits for background work that touches the store; called before rows of the layer change or are shared.</summary>
    void Settle();

    /// <summary>Chooses rows for one token; called with every KV head's queries at once.</summary>
    void Select(in DecodeQuery query, Selection selection);
}

/// <summary>What a selector may know about its layer.</summary>
/// <param name="Store">Rows of the sequence.</param>
/// <param name="Layer">Layer of the model.</param>
/// <param name="Group">Query heads for each KV head.</param>
/// <param name="Sinks">Row number of the first far row.</param>
/// <param name="Workers">Threads to search with.</param>
/// <param name="Builders">Where indexes are built while the next layer is computed.</param>
internal sealed record LayerContext(KvStore Store, int Layer, int Group, int Sinks, WorkerPool Workers, TaskScheduler Builders);

/// <summary>The queries of one token.</summary>
/// <param name="Queries">[heads, headDim], after RoPE, scaled by 1/√headDim, so that a dot product with a stored key is a logit.</param>
/// <param name="Attended">[kvHeads] partials: what the token attends to anyway.</param>
internal readonly unsafe record struct DecodeQuery(nint Queries, nint Attended, int HeadDim, int Group)
{
    /// <summary>Queries of one KV head's group, [group, headDim].</summary>
    public ReadOnlySpan<float> Of(int kvHead) => new(PointerOf(kvHead), Group * HeadDim);

    /// <summary>Where they lie.</summary>
    public float* PointerOf(int kvHead) => (float*)Queries + (long)kvHead * Group * HeadDim;

    /// <summary>What one KV head's group attends to anyway.</summary>
    public AttentionPartial AttendedBy(int kvHead) => new((float*)Attended + (long)kvHead * AttentionPartial.Floats(Group, HeadDim), Group, HeadDim);
}
