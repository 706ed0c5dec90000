using System.Text;

namespace Retrieval.Runtime.Text;

/// <summary>
/// A model's tokenizer: text to ids and back, equal to Hugging Face tokenizers for tokenizer.json and to llama.cpp's
/// vocabulary vectors for GGUF. Immutable and thread-safe. What a file asks for and this type cannot do exactly is refused
/// on loading with an <see cref="InputException"/>.
/// </summary>
public sealed class TextTokenizer
{
    // End-of-turn tokens that model families use without naming them as end of sequence.
    private static readonly string[] KnownEnds =
        ["<|eot_id|>", "<|eom_id|>", "<|im_end|>", "<|end|>", "<|end_of_text|>", "<|endoftext|>", "<end_of_turn>", "</s>", "<EOT>"];

    private readonly TokenizerSpec _spec;

    private readonly SpecialTokens _all;

    private readonly SpecialTokens _plain;

    private readonly SpecialTokens _allNormalized;

    private readonly SpecialTokens _plainNormalized;

    private readonly HashSet<int> _special;

    internal TextTokenizer(TokenizerSpec spec)
    {
        _spec = spec;
        HashSet<int> normalized = [.. spec.NormalizedTokens.Select(t => t.Token.Id)];
        var raw = spec.AddedTokens.Where(t => !normalized.Contains(t.Id)).Select(t => (t.Text, t)).ToList();
        _all = new SpecialTokens(raw);
        _plain = new SpecialTokens(raw.Where(t => !t.t.Special));
        _allNormalized = new SpecialTokens(spec.NormalizedTokens);
        _plainNormalized = new SpecialTokens(spec.NormalizedTokens.Where(t => !t.Token.Special));
        _special = [.. spec.AddedTokens.Where(t => t.Special).Select(t => t.Id)];
        HashSet<int> ends = [.. spec.OtherEndIds, .. KnownEnds.Select(IdOf).OfType<int>().Where(_special.Contains)];
        if (spec.EosId is { } eos)
            ends.Add(eos);
        EndIds = ends;
    }

    /// <summary>One more than the largest id; a model's embedding may have more rows.</summary>
    public int VocabularySize => _spec.TokenBytes.Length;

    /// <summary>Beginning of sequence, whether or not it is added; null if the file names none.</summary>
    public int? BosId => _spec.BosId;

    /// <summary>Encoding with addSpecial puts <see cref="BosId"/> first.</summary>
    public bool AddsBos => _spec.BosId is { } bos && _spec.Prefix.Contains(bos);

    /// <summary>Tokens that end generation: end of sequence, and the end-of-turn tokens the file names or has.</summary>
    public IReadOnlySet<int> EndIds { get; }

    /// <summary>Jinja source of the chat template; null if there is none.</summary>
    public string? ChatTemplateSource => _spec.ChatTemplate;

    /// <summary>Text of <see cref="BosId"/> for the template's bos_token; null without one.</summary>
    public string? BosText => TextOf(_spec.BosId);

    /// <summary>Text of the end-of-sequence token for the template's eos_token; null without one.</summary>
    public string? EosText => TextOf(_spec.EosId);

    /// <summary>Spaces at the start of a whole decoded text that are no part of it.</summary>
    internal int LeadingSpaces => _spec.LeadingSpaces;

    /// <summary>
    /// Reads tokenizer.json of a model folder, with tokenizer_config.json (bos, eos, template) and chat_template.jinja where
    /// they exist.
    /// </summary>
    /// <exception cref="InputException">A file is missing, damaged or asks for something unknown.</exception>
    public static TextTokenizer FromFolder(string folder) => new(TokenizerFolder.Read(folder));

    /// <summary>Reads one tokenizer.json; without tokenizer_config.json there is no template and no named end token.</summary>
    /// <exception cref="InputException">The file is missing, damaged or asks for something unknown.</exception>
    public static TextTokenizer FromTokenizerJson(string path) => new(TokenizerFolder.ReadJson(path));

    /// <summary>Reads the tokenizer.ggml keys of a GGUF file; numbers are boxed, arrays are string[], int[], float[] and so on.</summary>
    /// <exception cref="InputException">A key is missing, damaged or asks for something unknown.</exception>
    public static TextTokenizer FromGguf(IReadOnlyDictionary<string, object> metadata) => new(GgufTokenizer.Read(metadata));

    /// <summary>Token ids of a text.</summary>
    /// <param name="text">Any length; time is linear in it, n log n inside one piece without boundaries.</param>
    /// <param name="addSpecial">Add the tokens the model wants around a text (beginning of sequence); default no.</param>
    /// <param name="parseSpecial">
    /// Text of control tokens becomes those tokens; default yes. False for text from outside, which then cannot pose as them.
    /// </param>
    public int[] Encode(string text, bool addSpecial = false, bool parseSpecial = true)
    {
        List<int> ids = new(text.Length / 4 + 8);
        if (addSpecial)
            ids.AddRange(_spec.Prefix);
        BytePairModel.Worker worker = _spec.Model.CreateWorker(ids);
        SpecialTokens tokens = parseSpecial ? _all : _plain;
        int start = 0;
        while (start < text.Length)
        {
            AddedToken? token = tokens.Next(text, start, out int from, out int to);
            if (from > start)
                EncodePlain(start == 0 && from == text.Length ? text : text[start..from], start == 0, parseSpecial, worker, ids);
            if (token is not null)
                ids.Add(token.Id);
            start = to;
        }
        if (addSpecial)
            ids.AddRange(_spec.Suffix);
        return [.. ids];
    }

    /// <summary>Text of ids. Bytes that are no UTF-8 become U+FFFD; ids outside the vocabulary are nothing.</summary>
    /// <param name="ids">The ids.</param>
    /// <param name="skipSpecial">Leave control tokens out; default no.</param>
    public string Decode(ReadOnlySpan<int> ids, bool skipSpecial = false)
    {
        StreamingDetokenizer text = CreateDetokenizer(skipSpecial);
        StringBuilder builder = new();
        foreach (int id in ids)
            builder.Append(text.Push(id));
        return builder.Append(text.Flush()).ToString();
    }

    /// <summary>A decoder for ids that come one by one.</summary>
    /// <param name="skipSpecial">Leave control tokens out; default yes.</param>
    /// <param name="continues">
    /// The ids go on after other text, so a leading space is part of what they say and stays; default no.
    /// </param>
    public StreamingDetokenizer CreateDetokenizer(bool skipSpecial = true, bool continues = false) =>
        new(this, skipSpecial, continues ? 0 : LeadingSpaces);

    /// <summary>Bytes a token stands for, often not whole characters; empty for an id without a token.</summary>
    public ReadOnlySpan<byte> TokenBytes(int id) =>
        (uint)id < (uint)_spec.TokenBytes.Length ? _spec.TokenBytes[id] : default(ReadOnlySpan<byte>);

    /// <summary>The id is a control token.</summary>
    public bool IsSpecial(int id) => _special.Contains(id);

    /// <summary>Id of a token by its text as the vocabulary stores it; null if there is none.</summary>
    public int? IdOf(string tokenText) => _spec.Ids.TryGetValue(tokenText, out int id) ? id : null;

    private void EncodePlain(string text, bool first, bool parseSpecial, BytePairModel.Worker worker, List<int> ids)
    {
        string normal = _spec.Normalizer is null ? text : _spec.Normalizer.Apply(text);
        SpecialTokens tokens = parseSpecial ? _allNormalized : _plainNormalized;
        int start = 0;
        while (start < normal.Length)
        {
            AddedToken? token = tokens.Next(normal, start, out int from, out int to);
            if (from > start)
            {
                Normalizer? rewriter = first && start == 0 ? _spec.FirstRewriter : _spec.Rewriter;
                Cut(rewriter is null ? normal.AsSpan(start, from - start) : rewriter.Apply(normal[start..from]), 0, worker);
            }
            if (token is not null)
                ids.Add(token.Id);
            start = to;
        }
    }

    private void Cut(ReadOnlySpan<char> text, int step, BytePairModel.Worker worker)
    {
        if (step == _spec.Cutters.Count)
        {
            worker.Encode(text);
            return;
        }
        while (text.Length > 0)
        {
            int end = _spec.Cutters[step].PieceEnd(text, 0);
            Cut(text[..end], step + 1, worker);
            text = text[end..];
        }
    }

    private string? TextOf(int? id) => id is { } known ? Encoding.UTF8.GetString(TokenBytes(known)) : null;
}
