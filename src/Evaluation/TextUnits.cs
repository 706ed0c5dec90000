namespace Retrieval.Evaluation;

/// <summary>Cuts a text into sentences that concatenate to it again.</summary>
public static class TextUnits
{
    /// <summary>
    /// Sentences, each beginning with the white space before it. A sentence ends with . ! or ? (and closing quotes) before
    /// white space; text without such ends is cut at empty lines.
    /// </summary>
    public static IEnumerable<string> Sentences(string text)
    {
        int start = 0;
        for (int i = 1; i < text.Length; i++)
        {
            if (!char.IsWhiteSpace(text[i]) || char.IsWhiteSpace(text[i - 1]))
                continue;
            bool emptyLine = text[i] == '\n' && i + 1 < text.Length && text[i + 1] == '\n';
            if (!emptyLine && !EndsSentence(text, i - 1))
                continue;
            yield return text[start..i];
            start = i;
        }
        if (start < text.Length)
            yield return text[start..];
    }

    private static bool EndsSentence(string text, int last)
    {
        while (last > 0 && text[last] is '"' or '\'' or ')' or '”' or '’')
            last--;
        return text[last] is '.' or '!' or '?';
    }
}
