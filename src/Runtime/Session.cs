using Retrieval.Runtime.Policies;

namespace Retrieval.Runtime;

/// <summary>One token sequence with its KV state. Tokens are appended, then generated one by one from <see cref="Logits"/>.</summary>
public sealed class Session : IDisposable
{
    public RetrievalPolicy Policy => throw new NotImplementedException();

    /// <summary>Tokens held.</summary>
    public int Length => throw new NotImplementedException();

    /// <summary>Logits after the last token, [vocabulary]; valid until the next call.</summary>
    public ReadOnlySpan<float> Logits => throw new NotImplementedException();

    public SessionMemory Memory => throw new NotImplementedException();

    /// <summary>Reads tokens: prefill for many, a decode step for one. Cancelling throws and leaves the session as it was.</summary>
    /// <exception cref="ContextOverflowException">The tokens do not fit; nothing was done.</exception>
    public void Append(ReadOnlySpan<int> tokens, IProgress<PrefillProgress>? progress = null, CancellationToken cancel = default)
        => throw new NotImplementedException();

    /// <summary>Forgets the tokens from <paramref name="length"/> on; <see cref="Logits"/> are undefined until the next append.</summary>
    public void RewindTo(int length) => throw new NotImplementedException();

    /// <summary>A second session with the same tokens; full KV pages are shared until one of them changes. May follow another policy.</summary>
    public Session Fork(RetrievalPolicy? policy = null) => throw new NotImplementedException();

    public void Dispose() => throw new NotImplementedException();
}
