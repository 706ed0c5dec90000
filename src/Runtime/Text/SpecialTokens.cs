using System.Buffers;

namespace Retrieval.Runtime.Text;

/// <summary>A token that is found in the text as it stands, before anything is cut or merged.</summary>
/// <param name="Special">Control token: only parsed where the caller allows it, and skipped by decoding when asked.</param>
/// <param name="TakesLeft">The token swallows white space before it (lstrip).</param>
/// <param name="TakesRight">The token swallows white space after it (rstrip).</param>
internal sealed record AddedToken(string Text, int Id, bool Special, bool TakesLeft = false, bool TakesRight = false);

/// <summary>Finds added tokens in text: the leftmost, and of those the longest. A trie over UTF-16 units.</summary>
internal sealed class SpecialTokens
{
    private readonly Dictionary<long, int> _edges = [];

    private readonly List<AddedToken?> _ends = [null];

    private readonly SearchValues<char> _firsts;

    /// <param name="tokens">The tokens, with the text to look for.</param>
    public SpecialTokens(IEnumerable<(string Text, AddedToken Token)> tokens)
    {
        HashSet<char> firsts = [];
        foreach ((string text, AddedToken token) in tokens)
        {
            if (text.Length == 0)
                continue;
            firsts.Add(text[0]);
            int node = 0;
            foreach (char c in text)
            {
                if (!_edges.TryGetValue(Edge(node, c), out int child))
                {
                    child = _ends.Count;
                    _ends.Add(null);
                    _edges.Add(Edge(node, c), child);
                }
                node = child;
            }
            _ends[node] ??= token;
        }
        _firsts = SearchValues.Create([.. firsts]);
    }

    public bool IsEmpty => _ends.Count == 1;

    /// <summary>The next token at or after <paramref name="start"/>; null when there is none.</summary>
    /// <param name="text">Text to search.</param>
    /// <param name="start">Where to begin; text before it is never taken.</param>
    /// <param name="from">Where the match begins, with the white space it takes.</param>
    /// <param name="to">Where it ends.</param>
    public AddedToken? Next(ReadOnlySpan<char> text, int start, out int from, out int to)
    {
        for (int at = start; at < text.Length; at++)
        {
            int skip = text[at..].IndexOfAny(_firsts);
            if (skip < 0)
                break;
            at += skip;
            AddedToken? token = LongestAt(text, at, out int length);
            if (token is null)
                continue;
            from = at;
            to = at + length;
            while (token.TakesLeft && from > start && char.IsWhiteSpace(text[from - 1]))
                from--;
            while (token.TakesRight && to < text.Length && char.IsWhiteSpace(text[to]))
                to++;
            return token;
        }
        from = to = text.Length;
        return null;
    }

    private AddedToken? LongestAt(ReadOnlySpan<char> text, int at, out int length)
    {
        AddedToken? best = null;
        length = 0;
        int node = 0;
        for (int i = at; i < text.Length && _edges.TryGetValue(Edge(node, text[i]), out node); i++)
        {
            if (_ends[node] is { } token)
                (best, length) = (token, i + 1 - at);
        }
        return best;
    }

    private static long Edge(int node, char c) => (long)node << 16 | c;
}
