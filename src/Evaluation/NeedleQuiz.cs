using Retrieval.Runtime;

namespace Retrieval.Evaluation;

/// <summary>Asks a session that has read a haystack for its needles, one by one; the session forgets each question again.</summary>
/// <param name="engine">Engine of the session.</param>
/// <param name="form">How questions are put to the model.</param>
/// <param name="maxTokens">Longest answer, in tokens; default 16.</param>
public sealed class NeedleQuiz(Engine engine, PromptForm form, int maxTokens = 16)
{
    private readonly GenerationOptions _options = new() { MaxTokens = maxTokens };

    /// <summary>Positions that a question and its answer take at most.</summary>
    public int Reserve(IEnumerable<Needle> needles) => needles.Max(needle => form.Tail(needle.Question).Length) + maxTokens;

    /// <summary>Asks for one needle. The session must end with the haystack, and does so again afterwards.</summary>
    public NeedleAnswer Ask(Session session, PlacedNeedle placed, CancellationToken cancel = default)
    {
        int length = session.Length;
        GenerationResult result = TextGenerator.Generate(engine, session, form.Tail(placed.Needle.Question), _options, cancel: cancel);
        session.RewindTo(length);
        if (result.Finish == FinishReason.Cancelled)
            throw new OperationCanceledException(cancel);
        return new NeedleAnswer(placed, result.Text.Trim(), placed.Needle.IsAnsweredBy(result.Text), result);
    }

    /// <summary>Generates as many tokens as an answer may have, past the answer's end, so that two policies are timed over the same number of steps.</summary>
    public GenerationResult Time(Session session, PlacedNeedle placed, CancellationToken cancel = default)
    {
        int length = session.Length;
        GenerationOptions endless = _options with { IgnoreEnd = true };
        GenerationResult result = TextGenerator.Generate(engine, session, form.Tail(placed.Needle.Question), endless, cancel: cancel);
        session.RewindTo(length);
        return result;
    }
}

/// <param name="Text">What the model answered, trimmed.</param>
/// <param name="Correct">The answer is in it.</param>
public sealed record NeedleAnswer(PlacedNeedle Placed, string Text, bool Correct, GenerationResult Result);
