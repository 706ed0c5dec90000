namespace Retrieval.Runtime;

/// <summary>Prompt in, text out: prefill, then a sampled token a step until an end token, a stop string, the limit or a cancel.</summary>
public static class TextGenerator
{
    /// <summary>Appends the prompt to the session and generates.</summary>
    /// <param name="onText">Receives text as it is certain (whole characters, no part of a stop string); null: none.</param>
    /// <exception cref="ContextOverflowException">Prompt and MaxTokens exceed the engine's limit; nothing was done.</exception>
    public static GenerationResult Generate(
        Engine engine,
        Session session,
        ReadOnlySpan<int> prompt,
        GenerationOptions options,
        Action<string>? onText = null,
        IProgress<PrefillProgress>? progress = null,
        CancellationToken cancel = default) => throw new NotImplementedException();
}
