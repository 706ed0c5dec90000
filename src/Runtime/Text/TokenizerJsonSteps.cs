using System.Text;
using System.Text.Json;

namespace Retrieval.Runtime.Text;

/// <summary>The normalizer, pre-tokenizer and decoder of a tokenizer.json, as far as they are known; the rest is refused.</summary>
internal sealed class TokenizerJsonSteps(JsonFields fields)
{
    private readonly List<Normalizer> _normalizers = [];

    private readonly List<Cutter> _cutters = [];

    private string _mark = "";

    private bool _byteTokens;

    private bool _byteLevelDecoder;

    public Normalizer? Normalizer => _normalizers.Count == 0 ? null : new NormalizerSequence(_normalizers);

    public Normalizer? Rewriter { get; private set; }

    public Normalizer? FirstRewriter { get; private set; }

    public IReadOnlyList<Cutter> Cutters => _cutters;

    /// <summary>The vocabulary is written in the byte alphabet.</summary>
    public bool ByteLevel { get; private set; }

    public int LeadingSpaces { get; private set; }

    public byte[] BytesOf(string token) =>
        _byteLevelDecoder ? ByteAlphabet.ToBytes(token) : AddedBytesOf(token);

    public byte[] AddedBytesOf(string token) =>
        _mark.Length == 0 ? Encoding.UTF8.GetBytes(token) : TokenTable.PieceBytes(token, _mark, _byteTokens);

    public void ReadNormalizer(JsonElement? step, bool nested = false)
    {
        if (step is not { } normalizer)
            return;
        switch (fields.RequiredText(normalizer, "type"))
        {
            case "NFC":
                fields.OnlyKnown(normalizer, "normalizer", "type");
                _normalizers.Add(new NfcNormalizer());
                break;
            case "Prepend":
                fields.OnlyKnown(normalizer, "normalizer", "type", "prepend");
                _normalizers.Add(new PrependNormalizer(fields.RequiredText(normalizer, "prepend")));
                break;
            case "Replace":
                fields.OnlyKnown(normalizer, "normalizer", "type", "pattern", "content");
                _normalizers.Add(new ReplaceNormalizer(StringPattern(normalizer, "normalizer"), fields.RequiredText(normalizer, "content")));
                break;
            case "Sequence" when !nested:
                fields.OnlyKnown(normalizer, "normalizer", "type", "normalizers");
                foreach (JsonElement item in fields.Items(normalizer, "normalizers"))
                    ReadNormalizer(item, nested: true);
                break;
            case var type:
                throw fields.Bad("normalizer", $"has the unknown type '{type}'");
        }
    }

    public void ReadPreTokenizer(JsonElement? step, bool nested = false)
    {
        if (step is not { } cutter)
            return;
        if (ByteLevel)
            throw fields.Bad("pre_tokenizer", $"has the step {JsonFields.Shown(cutter)} after ByteLevel, which must be the last");
        switch (fields.RequiredText(cutter, "type"))
        {
            case "ByteLevel":
                fields.OnlyKnown(cutter, "pre_tokenizer", "type", "add_prefix_space", "trim_offsets", "use_regex");
                if (fields.Flag(cutter, "add_prefix_space"))
                    throw fields.Bad("pre_tokenizer", "has add_prefix_space = true, which is not supported");
                ByteLevel = true;
                if (fields.Flag(cutter, "use_regex", missing: true))
                    _cutters.Add(new Gpt2Cutter());
                break;
            case "Digits":
                fields.OnlyKnown(cutter, "pre_tokenizer", "type", "individual_digits");
                _cutters.Add(new DigitCutter(fields.Flag(cutter, "individual_digits")));
                break;
            case "Split":
                fields.OnlyKnown(cutter, "pre_tokenizer", "type", "pattern", "behavior", "invert");
                _cutters.Add(ReadSplit(cutter));
                break;
            case "Metaspace" when !nested:
                ReadMetaspace(cutter);
                break;
            case "Sequence" when !nested:
                fields.OnlyKnown(cutter, "pre_tokenizer", "type", "pretokenizers");
                foreach (JsonElement item in fields.Items(cutter, "pretokenizers"))
                    ReadPreTokenizer(item, nested: true);
                break;
            case var type:
                throw fields.Bad("pre_tokenizer", $"has the unknown type '{type}'");
        }
    }

    public void ReadDecoder(JsonElement? step)
    {
        JsonElement decoder = step ?? throw fields.Bad("decoder", "is missing");
        switch (fields.RequiredText(decoder, "type"))
        {
            case "ByteLevel" when ByteLevel:
                _byteLevelDecoder = true;
                break;
            case "Metaspace" when !ByteLevel:
                fields.OnlyKnown(decoder, "decoder", "type", "replacement", "prepend_scheme", "split", "add_prefix_space");
                _mark = fields.RequiredText(decoder, "replacement");
                LeadingSpaces = Prepends(decoder) == "never" ? 0 : 1;
                break;
            case "Sequence" when !ByteLevel:
                fields.OnlyKnown(decoder, "decoder", "type", "decoders");
                foreach (JsonElement item in fields.Items(decoder, "decoders"))
                    ReadDecoderStep(item);
                break;
            case var type:
                throw fields.Bad("decoder", $"has type '{type}', which is unknown or does not go with the pre-tokenizer");
        }
        if (!ByteLevel && _mark.Length == 0)
            throw fields.Bad("decoder", "does not say which character stands for the space");
    }

    private void ReadDecoderStep(JsonElement item)
    {
        switch (fields.RequiredText(item, "type"))
        {
            case "Replace" when _mark.Length == 0 && fields.Text(item, "content") == " ":
                _mark = StringPattern(item, "decoder");
                break;
            case "ByteFallback":
                _byteTokens = true;
                break;
            case "Fuse":
                break;
            case "Strip" when fields.Text(item, "content") == " " && fields.Number(fields.Required(item, "stop", JsonValueKind.Number), "decoder") == 0:
                LeadingSpaces = fields.Number(fields.Required(item, "start", JsonValueKind.Number), "decoder");
                break;
            default:
                throw fields.Bad("decoder", $"has the unknown step {JsonFields.Shown(item)}");
        }
    }

    private Cutter ReadSplit(JsonElement split)
    {
        JsonElement pattern = fields.Required(split, "pattern", JsonValueKind.Object);
        string? behavior = fields.Text(split, "behavior");
        if (!fields.Flag(split, "invert"))
        {
            switch (fields.Text(pattern, "Regex"))
            {
                case Gpt2Cutter.Expression when behavior == "Isolated":
                    return new Gpt2Cutter();
                case Llama3Cutter.Llama3Expression when behavior == "Isolated":
                    return new Llama3Cutter(digits: 3);
                case Llama3Cutter.Qwen2Expression when behavior == "Isolated":
                    return new Llama3Cutter(digits: 1);
                case null when behavior == "MergedWithPrevious" && fields.Text(pattern, "String") is { Length: > 0 } text:
                    return new AfterCutter(text);
            }
        }
        throw fields.Bad("pre_tokenizer", $"splits by {JsonFields.Shown(split)}, which is not a known expression");
    }

    private void ReadMetaspace(JsonElement step)
    {
        fields.OnlyKnown(step, "pre_tokenizer", "type", "replacement", "prepend_scheme", "split", "add_prefix_space", "str_rep");
        if (fields.RequiredText(step, "replacement") is not [var mark])
            throw fields.Bad("pre_tokenizer", $"has the replacement '{fields.Text(step, "replacement")}' where one character is expected");
        string prepends = Prepends(step);
        FirstRewriter = new MetaspaceNormalizer(mark, prepends != "never");
        Rewriter = new MetaspaceNormalizer(mark, prepends == "always");
        if (fields.Flag(step, "split", missing: true))
            _cutters.Add(new MetaspaceCutter(mark));
    }

    private string Prepends(JsonElement step) =>
        (fields.Text(step, "prepend_scheme"), fields.Flag(step, "add_prefix_space", missing: true)) switch
        {
            ({ } scheme and ("always" or "first" or "never"), _) => scheme,
            (null, true) => "always",
            (null, false) => "never",
            var (scheme, _) => throw fields.Bad("Metaspace", $"has the unknown prepend_scheme '{scheme}'"),
        };

    private string StringPattern(JsonElement step, string place) =>
        JsonFields.Member(step, "pattern") is { } pattern && fields.Text(pattern, "String") is { Length: > 0 } text
            ? text
            : throw fields.Bad(place, $"replaces the pattern {JsonFields.Shown(step)}, and only plain text is supported");
}
