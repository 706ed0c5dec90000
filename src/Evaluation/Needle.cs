namespace Retrieval.Evaluation;

/// <summary>A fact to hide in a long text, and the question that asks for it.</summary>
/// <param name="Text">Sentence or line to hide.</param>
/// <param name="Question">Asks for the fact; answerable from <paramref name="Text"/> alone.</param>
/// <param name="Answer">Word or number that a right answer contains.</param>
/// <param name="Kind">What is asked for: "access code", "favourite fruit", "key-value", "pass key". Needles of one kind are each other's distractors.</param>
/// <param name="Key">Whom or what it is about; empty for the pass key. No two needles of a text share kind and key.</param>
/// <param name="OwnParagraph">The needle is a line of its own, not a sentence in running text.</param>
public sealed record Needle(string Text, string Question, string Answer, string Kind, string Key, bool OwnParagraph = false)
{
    /// <summary>True if the answer stands in the text as a whole word: "48213." is right, "482139" is not.</summary>
    public bool IsAnsweredBy(string text)
    {
        for (int at = text.IndexOf(Answer, StringComparison.OrdinalIgnoreCase); at >= 0;
            at = text.IndexOf(Answer, at + 1, StringComparison.OrdinalIgnoreCase))
        {
            int end = at + Answer.Length;
            bool startsWord = at == 0 || !char.IsLetterOrDigit(text[at - 1]);
            bool endsWord = end == text.Length || !char.IsLetterOrDigit(text[end]);
            if (startsWord && endsWord)
                return true;
        }
        return false;
    }
}
