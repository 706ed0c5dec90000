namespace Retrieval.Runtime;

/// <summary>
/// Something outside the program is wrong: a file, a flag, a prompt. The message is one clear sentence that holds the
/// offending value and the remedy; the command line prints it and exits, the service answers 4xx.
/// </summary>
public class InputException : Exception
{
    public InputException(string message) : base(message) { }

    public InputException(string message, Exception inner) : base(message, inner) { }
}

/// <summary>The prompt, or the prompt and what should be generated, does not fit in the context.</summary>
public sealed class ContextOverflowException(long tokens, long limit)
    : InputException($"The prompt and the tokens to generate need {tokens:N0} positions but the context limit is {limit:N0}; shorten the text, lower --max-tokens or raise --ctx-size.")
{
    public long Tokens { get; } = tokens;

    public long Limit { get; } = limit;
}
