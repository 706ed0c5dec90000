using System.Globalization;
using System.Text;

namespace Retrieval.Runtime.Text;

/// <summary>Reads the tokenizer keys of GGUF metadata: byte-level BPE ("gpt2") and SentencePiece BPE ("llama").</summary>
internal sealed class GgufTokenizer(IReadOnlyDictionary<string, object> metadata)
{
    private const int Normal = 1, Unknown = 2, Control = 3, UserDefined = 4, Byte = 6;

    private readonly TokenTable _tokens = new();

    private string[] _texts = [];

    private int[] _kinds = [];

    // What the model's family does when the file does not say.
    private bool _addsBos;

    public static TokenizerSpec Read(IReadOnlyDictionary<string, object> metadata) => new GgufTokenizer(metadata).Read();

    private TokenizerSpec Read()
    {
        string model = Text("model") ?? throw Bad("model", "is missing");
        ReadTokens();
        TokenizerSpec spec = model switch
        {
            "gpt2" => ReadByteLevel(),
            "llama" => ReadPieces(),
            _ => throw Bad("model", $"is '{model}' where 'gpt2' or 'llama' is expected"),
        };
        int? bos = Id("bos_token_id") ?? (model == "llama" ? 1 : null), eos = Id("eos_token_id") ?? (model == "llama" ? 2 : null);
        bool addBos = Flag("add_bos_token") ?? _addsBos;
        return spec with
        {
            BosId = bos,
            EosId = eos,
            OtherEndIds = [.. new[] { Id("eot_token_id"), Id("eom_token_id") }.OfType<int>()],
            Prefix = addBos && bos is { } first ? [first] : [],
            Suffix = Flag("add_eos_token") == true && eos is { } last ? [last] : [],
            ChatTemplate = metadata.GetValueOrDefault("tokenizer.chat_template") as string,
        };
    }

    private TokenizerSpec ReadByteLevel()
    {
        string pre = Text("pre") ?? throw Bad("pre", "is missing, so it is not known how text is cut");
        // The families that share Llama 3's file also share its whole-word look-up and its beginning-of-sequence token.
        bool llama3 = pre is "llama3" or "llama-v3" or "llama-bpe";
        _addsBos = llama3;
        IReadOnlyList<Cutter> cutters = pre switch
        {
            _ when llama3 => [new Llama3Cutter(digits: 3)],
            "qwen2" => [new Llama3Cutter(digits: 1)],
            "gpt-2" => [new Gpt2Cutter()],
            "smollm" or "starcoder" or "refact" => [new DigitCutter(individual: true), new Gpt2Cutter()],
            _ => throw Bad("pre", $"is '{pre}', and only llama3, llama-v3, llama-bpe, qwen2, gpt-2, smollm, starcoder and refact are supported"),
        };
        string[] merges = Array<string>("merges") ?? throw Bad("merges", "is missing");
        var builder = new MergeBuilder(_tokens.Ids, merges.Length, byCharacters: false);
        for (int rank = 0; rank < merges.Length; rank++)
        {
            int space = merges[rank].Length > 1 ? merges[rank].IndexOf(' ', 1) : -1;
            if (space < 0 || !builder.TryAdd(merges[rank][..space], merges[rank][(space + 1)..], rank))
                throw Bad("merges", $"has '{merges[rank]}' at {rank}, not two tokens that make a third");
        }
        Dictionary<string, int>? whole = llama3 ? _tokens.Ids.Where(t => Kind(t.Value) == Normal).ToDictionary() : null;
        return Spec(ByteAlphabet.ToBytes) with
        {
            Normalizer = pre == "qwen2" ? new NfcNormalizer() : null,
            Cutters = cutters,
            Model = new BytePairModel(builder.Merges, new ByteSeeds(_tokens.AlphabetTokens()), whole),
        };
    }

    private TokenizerSpec ReadPieces()
    {
        if (metadata.ContainsKey("tokenizer.ggml.precompiled_charsmap") || Flag("remove_extra_whitespaces") == true)
            throw Bad("precompiled_charsmap", "or remove_extra_whitespaces asks for text rewriting that is not supported");
        float[] scores = Array<float>("scores") ?? throw Bad("scores", "is missing");
        if (scores.Length != _texts.Length || scores.Any(float.IsNaN))
            throw Bad("scores", $"has {scores.Length:N0} entries for {_texts.Length:N0} tokens, or one that is no number");
        bool prefix = Flag("add_space_prefix") ?? true;
        _addsBos = true;
        List<Normalizer> normalizers = [new ReplaceNormalizer(" ", PieceMerges.Space)];
        if (prefix)
            normalizers.Add(new PrependNormalizer(PieceMerges.Space));
        var allowed = _tokens.Ids.Where(t => Kind(t.Value) is Normal or UserDefined).ToDictionary();
        return Spec(text => TokenTable.PieceBytes(text, PieceMerges.Space, byteTokens: true)) with
        {
            Normalizer = new NormalizerSequence(normalizers),
            Model = PieceMerges.Build(_tokens, allowed, scores, Id("unknown_token_id") ?? (_texts.Length > 0 ? 0 : null)),
            LeadingSpaces = prefix ? 1 : 0,
        };
    }

    private TokenizerSpec Spec(Func<string, byte[]> bytesOf)
    {
        List<AddedToken> added = [];
        byte[]?[] bytes = _tokens.Bytes(bytesOf);
        for (int id = 0; id < _texts.Length; id++)
        {
            if (Kind(id) is not (Unknown or Control or UserDefined) || _texts[id].Length == 0)
                continue;
            added.Add(new AddedToken(_texts[id], id, Kind(id) != UserDefined));
            bytes[id] = Encoding.UTF8.GetBytes(_texts[id].Replace(PieceMerges.Space, " ", StringComparison.Ordinal));
        }
        return new TokenizerSpec { TokenBytes = bytes, Ids = _tokens.Ids, AddedTokens = added, Cutters = [], Model = null! };
    }

    private void ReadTokens()
    {
        _texts = Array<string>("tokens") ?? throw Bad("tokens", "is missing");
        _kinds = metadata.GetValueOrDefault("tokenizer.ggml.token_type") switch
        {
            null => [],
            int[] kinds => kinds,
            uint[] kinds => [.. kinds.Select(k => (int)Math.Min(k, int.MaxValue))],
            _ => throw Bad("token_type", "is no list of 32-bit integers"),
        };
        if (_texts.Length is 0 or > TokenTable.LargestId || (_kinds.Length > 0 && _kinds.Length != _texts.Length))
            throw Bad("tokens", $"has {_texts.Length:N0} entries and token_type {_kinds.Length:N0}");
        for (int id = 0; id < _texts.Length; id++)
        {
            if (!_tokens.TryAdd(_texts[id], id))
                throw Bad("tokens", $"has '{_texts[id]}' at {id} for the second time");
        }
    }

    private int Kind(int id) => _kinds.Length == 0 ? Normal : _kinds[id];

    private string? Text(string key) => metadata.GetValueOrDefault("tokenizer.ggml." + key) switch
    {
        null => null,
        string text => text,
        var value => throw Bad(key, $"is {value} where text is expected"),
    };

    private bool? Flag(string key) => metadata.GetValueOrDefault("tokenizer.ggml." + key) switch
    {
        null => null,
        bool flag => flag,
        var value => throw Bad(key, $"is {value} where true or false is expected"),
    };

    private T[]? Array<T>(string key) => metadata.GetValueOrDefault("tokenizer.ggml." + key) switch
    {
        null => null,
        T[] items => items,
        var value => throw Bad(key, $"is {value.GetType().Name} where {typeof(T).Name}[] is expected"),
    };

    // 2^32 − 1 is how files say "none".
    private int? Id(string key)
    {
        if (metadata.GetValueOrDefault("tokenizer.ggml." + key) is not { } value)
            return null;
        if (value is not (byte or sbyte or short or ushort or int or uint or long or ulong))
            throw Bad(key, $"is {value} where a token id is expected");
        decimal id = Convert.ToDecimal(value, CultureInfo.InvariantCulture);
        if (id is uint.MaxValue or -1)
            return null;
        return id >= 0 && id < _texts.Length ? (int)id : throw Bad(key, $"is {id} but there are {_texts.Length:N0} tokens");
    }

    private static InputException Bad(string key, string problem) =>
        new($"GGUF key tokenizer.ggml.{key} {problem}; convert the model again or take one with a supported tokenizer.");
}
