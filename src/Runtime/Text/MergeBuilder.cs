using System.Text;

namespace Retrieval.Runtime.Text;

/// <summary>Fills a <see cref="MergeTable"/> and, for text without pre-tokenizer, the pairs of seeds that tokens hold side by side.</summary>
internal sealed class MergeBuilder(Dictionary<string, int> ids, int count, bool byCharacters)
{
    public MergeTable Merges { get; } = new(count);

    /// <summary>See <see cref="BytePairModel"/>; null for byte-level models, whose pieces are short.</summary>
    public HashSet<ulong>? Joins { get; } = byCharacters ? [] : null;

    /// <summary>Adds a merge of two texts; false if a part or the result is no token.</summary>
    public bool TryAdd(string left, string right, int rank)
    {
        if (!ids.TryGetValue(left, out int leftId) || !ids.TryGetValue(right, out int rightId)
            || !ids.TryGetValue(left + right, out int result))
            return false;
        Merges.Set(leftId, rightId, rank, result);
        AddJoins(left, right);
        return true;
    }

    /// <summary>Adds a merge whose parts may be characters without a token (SentencePiece).</summary>
    public void Add(string left, int leftId, string right, int rightId, int rank, int result)
    {
        Merges.Set(leftId, rightId, rank, result);
        AddJoins(left, right);
    }

    /// <summary>Symbol of one character: its token, or −1 − code point.</summary>
    public int SymbolOf(Rune rune) => ids.TryGetValue(rune.ToString(), out int id) ? id : -1 - rune.Value;

    // A token that names a byte can stand for that byte or for its own letters; both kinds of seed get their pair.
    private void AddJoins(string left, string right)
    {
        if (Joins is null || left.Length == 0 || right.Length == 0)
            return;
        Rune.DecodeLastFromUtf16(left, out Rune last, out _);
        Rune.DecodeFromUtf16(right, out Rune first, out _);
        Span<int> lasts = [SymbolOf(last), TokenTable.IsByteToken(left) ? ids[left] : SymbolOf(last)];
        Span<int> firsts = [SymbolOf(first), TokenTable.IsByteToken(right) ? ids[right] : SymbolOf(first)];
        foreach (int from in lasts)
        {
            foreach (int to in firsts)
                Joins.Add(MergeTable.Pair(from, to));
        }
    }
}
