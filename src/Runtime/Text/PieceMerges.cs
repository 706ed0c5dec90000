using System.Text;

namespace Retrieval.Runtime.Text;

/// <summary>
/// SentencePiece BPE has scores instead of merges: any two neighbours whose joined text is a token may merge, the best score
/// first. As every token has few splits, they are listed once and it becomes ordinary merging.
/// </summary>
internal static class PieceMerges
{
    /// <summary>What stands for a space.</summary>
    public const string Space = "▁";

    // A token of n characters has n − 1 splits of n characters each; longer ones than real vocabularies have are refused.
    private const int LongestToken = 512;

    public static BytePairModel Build(TokenTable tokens, Dictionary<string, int> allowed, float[] scores, int? unknown)
    {
        Dictionary<float, int> ranks = [];
        foreach (float score in allowed.Values.Select(id => scores[id]).Distinct().OrderDescending())
            ranks.Add(score, ranks.Count);
        List<(string Left, int LeftId, string Right, int RightId, int Rank, int Result)> merges = [];
        foreach ((string text, int result) in allowed)
        {
            if (text.Length > LongestToken)
                throw new InputException($"GGUF key tokenizer.ggml.tokens has a token of {text.Length:N0} characters ('{text[..40]}…') where {LongestToken} are the most; convert the model again.");
            for (int i = 1; i < text.Length; i++)
            {
                if (Symbol(text[..i], allowed) is { } left && Symbol(text[i..], allowed) is { } right)
                    merges.Add((text[..i], left, text[i..], right, ranks[scores[result]], result));
            }
        }
        var builder = new MergeBuilder(allowed, merges.Count, byCharacters: true);
        foreach (var merge in merges)
            builder.Add(merge.Left, merge.LeftId, merge.Right, merge.RightId, merge.Rank, merge.Result);
        var seeds = new CharacterSeeds(allowed, tokens.ByteTokens(), unknown, fuse: true, afterMerging: true);
        return new BytePairModel(builder.Merges, seeds, null, builder.Joins);
    }

    // Parts are tokens, or single characters without one, which can still be part of a token.
    private static int? Symbol(string text, Dictionary<string, int> allowed)
    {
        if (allowed.TryGetValue(text, out int id))
            return id;
        return Rune.TryGetRuneAt(text, 0, out Rune rune) && rune.Utf16SequenceLength == text.Length ? -1 - rune.Value : null;
    }
}
