using Retrieval.Runtime.Sampling;

namespace Retrieval.Runtime;

/// <summary>When generation ends and how tokens are drawn.</summary>
public sealed record GenerationOptions
{
    /// <summary>Most tokens to generate; default 256.</summary>
    public int MaxTokens { get; init; } = 256;

    public SamplingOptions Sampling { get; init; } = new();

    /// <summary>Texts that end generation; they are not part of the output.</summary>
    public IReadOnlyList<string> Stop { get; init; } = [];

    /// <summary>Go on past the model's end tokens.</summary>
    public bool IgnoreEnd { get; init; }

    /// <summary>Throws an <see cref="InputException"/> if a value is out of its range.</summary>
    public void Validate()
    {
        if (MaxTokens < 1)
            throw new InputException($"The number of tokens to generate is {MaxTokens}; it must be at least 1.");
        if (Stop.Contains(""))
            throw new InputException("A stop string is empty; it would end generation before the first character.");
        Sampling.Validate();
    }
}

public enum FinishReason
{
    /// <summary>An end token or a stop string.</summary>
    Stop,

    /// <summary>MaxTokens were generated.</summary>
    Length,

    /// <summary>The caller cancelled; what was generated so far is in the result.</summary>
    Cancelled,
}

/// <summary>What <see cref="TextGenerator.Generate"/> produced.</summary>
/// <param name="Text">Generated text, without the stop string.</param>
/// <param name="Tokens">Generated token ids, without the end token.</param>
/// <param name="PromptTokens">Tokens appended before the first generated one.</param>
/// <param name="Prefill">Time to append the prompt.</param>
/// <param name="TimeToFirstToken">From the call to the first token.</param>
/// <param name="Decode">Time of all decode steps after the first token.</param>
/// <param name="DecodeSteps">Number of those steps.</param>
public sealed record GenerationResult(
    string Text,
    IReadOnlyList<int> Tokens,
    FinishReason Finish,
    int PromptTokens,
    TimeSpan Prefill,
    TimeSpan TimeToFirstToken,
    TimeSpan Decode,
    int DecodeSteps)
{
    /// <summary>Mean milliseconds of a decode step; 0 if there was none.</summary>
    public double MillisecondsPerToken => DecodeSteps == 0 ? 0 : Decode.TotalMilliseconds / DecodeSteps;
}
