using System.Text.Json;

namespace Retrieval.Runtime.Text;

/// <summary>Reads tokenizer.json (Hugging Face tokenizers, version 1.0): vocabulary, merges and added tokens.</summary>
internal sealed class TokenizerJson
{
    private readonly JsonFields _fields;

    private readonly JsonElement _root;

    private readonly TokenTable _tokens = new();

    private readonly TokenizerJsonSteps _steps;

    private TokenizerJson(string path)
    {
        _fields = new JsonFields(path);
        _root = _fields.Load();
        _steps = new TokenizerJsonSteps(_fields);
    }

    public static TokenizerSpec Read(string path)
    {
        var reader = new TokenizerJson(path);
        return reader._fields.Strictly(reader.Read);
    }

    private TokenizerSpec Read()
    {
        // truncation and padding belong to a call, not to the text; everything else changes tokens.
        _fields.OnlyKnown(_root, "the file", "version", "truncation", "padding", "added_tokens", "normalizer", "pre_tokenizer",
            "post_processor", "decoder", "model");
        JsonElement model = _fields.Required(_root, "model", JsonValueKind.Object);
        CheckModel(model);
        _steps.ReadNormalizer(JsonFields.Member(_root, "normalizer"));
        _steps.ReadPreTokenizer(JsonFields.Member(_root, "pre_tokenizer"));
        _steps.ReadDecoder(JsonFields.Member(_root, "decoder"));
        ReadVocabulary(model);
        BytePairModel pairs = ReadMerges(model);
        (List<AddedToken> added, List<(string, AddedToken)> normalized) = ReadAddedTokens();
        PostProcessor post = PostProcessor.Read(_fields, JsonFields.Member(_root, "post_processor"), _tokens);
        byte[]?[] bytes = _tokens.Bytes(_steps.BytesOf);
        foreach (AddedToken token in added)
            bytes[token.Id] = _steps.AddedBytesOf(token.Text);
        return new TokenizerSpec
        {
            TokenBytes = bytes,
            Ids = _tokens.Ids,
            AddedTokens = added,
            NormalizedTokens = normalized,
            Normalizer = _steps.Normalizer,
            Rewriter = _steps.Rewriter,
            FirstRewriter = _steps.FirstRewriter,
            Cutters = _steps.Cutters,
            Model = pairs,
            LeadingSpaces = _steps.LeadingSpaces,
            Prefix = post.Prefix,
            Suffix = post.Suffix,
            BosId = post.Prefix.Count > 0 ? post.Prefix[0] : null,
        };
    }

    private void CheckModel(JsonElement model)
    {
        _fields.OnlyKnown(model, "model", "type", "dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix",
            "fuse_unk", "byte_fallback", "ignore_merges", "vocab", "merges");
        if (_fields.Text(model, "type") is not (null or "BPE") and string type)
            throw _fields.Bad("model", $"has type '{type}' where only 'BPE' is supported");
        if (JsonFields.Member(model, "dropout") is { } dropout && dropout.GetRawText() is not ("0" or "0.0"))
            throw _fields.Bad("model", $"has dropout {JsonFields.Shown(dropout)}, which makes encoding random");
        foreach (string name in new[] { "continuing_subword_prefix", "end_of_word_suffix" })
        {
            if (_fields.Text(model, name) is { Length: > 0 } affix)
                throw _fields.Bad("model", $"has {name} '{affix}', which is not supported");
        }
    }

    private void ReadVocabulary(JsonElement model)
    {
        foreach (JsonProperty token in _fields.Required(model, "vocab", JsonValueKind.Object).EnumerateObject())
        {
            int id = _fields.Number(token.Value, $"id of token '{token.Name}'");
            if (!_tokens.TryAdd(token.Name, id))
                throw _fields.Bad($"token '{token.Name}'", $"has id {id}, which clashes with another token");
        }
    }

    private BytePairModel ReadMerges(JsonElement model)
    {
        JsonElement list = _fields.Required(model, "merges", JsonValueKind.Array);
        bool bytes = _steps.ByteLevel;
        var builder = new MergeBuilder(_tokens.Ids, list.GetArrayLength(), byCharacters: !bytes);
        int rank = 0;
        foreach (JsonElement merge in list.EnumerateArray())
        {
            string[]? parts = merge.ValueKind switch
            {
                JsonValueKind.String => merge.GetString()!.Split(' '),
                JsonValueKind.Array => [.. merge.EnumerateArray().Select(p => p.GetString()!)],
                _ => null,
            };
            if (parts is not [not null, not null] || !builder.TryAdd(parts[0], parts[1], rank))
                throw _fields.Bad($"merge {rank}", $"is {JsonFields.Shown(merge)}, not two tokens that make a third");
            rank++;
        }
        bool fallback = _fields.Flag(model, "byte_fallback"), fuse = _fields.Flag(model, "fuse_unk");
        bool whole = _fields.Flag(model, "ignore_merges");
        int? unknown = _fields.Text(model, "unk_token") is not { } text ? null
            : _tokens.Ids.TryGetValue(text, out int id) ? id : throw _fields.Bad("unk_token", $"'{text}' is not in the vocabulary");
        if (bytes)
        {
            int?[] alphabet = _tokens.AlphabetTokens();
            if ((fallback || unknown is not null) && alphabet.Contains(null))
                throw _fields.Bad("model", "is byte-level with byte_fallback or unk_token but has no token for every byte");
            return new BytePairModel(builder.Merges, new ByteSeeds(alphabet), whole ? new(_tokens.Ids) : null);
        }
        if (whole)
            throw _fields.Bad("model", "has ignore_merges without a ByteLevel pre-tokenizer, which is not supported");
        var seeds = new CharacterSeeds(new(_tokens.Ids), fallback ? _tokens.ByteTokens() : null, unknown, fuse, afterMerging: false);
        return new BytePairModel(builder.Merges, seeds, null, builder.Joins);
    }

    private (List<AddedToken> Added, List<(string, AddedToken)> Normalized) ReadAddedTokens()
    {
        List<AddedToken> added = [];
        List<(string, AddedToken)> normalized = [];
        if (JsonFields.Member(_root, "added_tokens") is null)
            return (added, normalized);
        foreach (JsonElement item in _fields.Items(_root, "added_tokens"))
        {
            _fields.OnlyKnown(item, "added token", "id", "content", "single_word", "lstrip", "rstrip", "normalized", "special");
            string text = _fields.RequiredText(item, "content");
            int id = _fields.Number(_fields.Required(item, "id", JsonValueKind.Number), $"id of added token '{text}'");
            if (_fields.Flag(item, "single_word"))
                throw _fields.Bad($"added token '{text}'", "has single_word = true, which is not supported");
            if (text.Length == 0 || !_tokens.TryAdd(text, id))
                throw _fields.Bad($"added token '{text}'", $"with id {id} is empty or clashes with another token");
            var token = new AddedToken(text, id, _fields.Flag(item, "special"), _fields.Flag(item, "lstrip"), _fields.Flag(item, "rstrip"));
            added.Add(token);
            if (_fields.Flag(item, "normalized", !token.Special))
                normalized.Add((_steps.Normalizer?.Apply(text) ?? text, token));
        }
        return (added, normalized);
    }
}
