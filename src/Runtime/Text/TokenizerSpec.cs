namespace Retrieval.Runtime.Text;

/// <summary>Everything a tokenizer file says, checked and ready: what the readers hand to <see cref="TextTokenizer"/>.</summary>
internal sealed record TokenizerSpec
{
    /// <summary>Bytes each token stands for, by id; null where an id has no token.</summary>
    public required byte[]?[] TokenBytes { get; init; }

    /// <summary>Token texts as stored, to ids.</summary>
    public required Dictionary<string, int> Ids { get; init; }

    public required IReadOnlyList<AddedToken> AddedTokens { get; init; }

    /// <summary>Added tokens looked for in the normalized text, with the text to look for; the rest in the text as given.</summary>
    public IReadOnlyList<(string Text, AddedToken Token)> NormalizedTokens { get; init; } = [];

    public Normalizer? Normalizer { get; init; }

    /// <summary>Rewrites each piece between added tokens, after normalizing (Metaspace).</summary>
    public Normalizer? Rewriter { get; init; }

    /// <summary>The same for the piece at the very start of the text.</summary>
    public Normalizer? FirstRewriter { get; init; }

    public required IReadOnlyList<Cutter> Cutters { get; init; }

    public required BytePairModel Model { get; init; }

    /// <summary>Spaces taken off the start of decoded text, where encoding put one there.</summary>
    public int LeadingSpaces { get; init; }

    /// <summary>Ids that addSpecial puts before and after the text.</summary>
    public IReadOnlyList<int> Prefix { get; init; } = [];

    public IReadOnlyList<int> Suffix { get; init; } = [];

    public int? BosId { get; init; }

    public int? EosId { get; init; }

    /// <summary>Further ids that end a turn.</summary>
    public IReadOnlyList<int> OtherEndIds { get; init; } = [];

    public string? ChatTemplate { get; init; }
}
