using System.Runtime.InteropServices;
using Retrieval.Runtime;
using Retrieval.Runtime.Text;

namespace Retrieval.Cli;

/// <summary>
/// Knows which tokens a session holds, and finds what it still has to read of a longer text. A chat template may rewrite
/// earlier turns, so the texts are compared as tokens: the session goes back to the first one that differs.
/// </summary>
internal sealed class SessionText(TextTokenizer tokenizer, Session session, bool addSpecial)
{
    private readonly List<int> _held = [];

    // The text encoded last and its tokens: a conversation grows at its end, so only the rest is encoded again.
    private string _text = "";
    private int[] _tokens = [];

    /// <summary>Takes the session back to what it shares with the text, and returns the tokens that follow; at least one.</summary>
    public int[] Unread(string text)
    {
        int[] tokens = Encode(text);
        int common = Math.Min(Math.Min(_held.Count, session.Length), tokens.AsSpan().CommonPrefixLength(CollectionsMarshal.AsSpan(_held)));
        // Logits come from reading: the last token is read again if the session holds everything.
        common = Math.Min(common, tokens.Length - 1);
        if (common < session.Length && !session.CanRewindTo(common))
            common = 0;
        if (common < session.Length)
            session.RewindTo(common);
        _held.RemoveRange(common, _held.Count - common);
        return tokens[common..];
    }

    /// <summary>After a generation: the session read these tokens and then generated those.</summary>
    public void Record(ReadOnlySpan<int> read, IReadOnlyList<int> generated)
    {
        _held.AddRange(read);
        _held.AddRange(generated);
    }

    private int[] Encode(string text)
    {
        int[] tokens = _text.Length > 0 && text.StartsWith(_text, StringComparison.Ordinal)
            ? [.. _tokens, .. tokenizer.Encode(text[_text.Length..])]
            : tokenizer.Encode(text, addSpecial);
        (_text, _tokens) = (text, tokens);
        return tokens;
    }
}
