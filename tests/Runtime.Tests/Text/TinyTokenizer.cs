using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using Retrieval.Runtime.Text;

namespace Retrieval.Runtime.Tests.Text;

/// <summary>Hand-made tokenizer files of a few tokens, to be spoiled by tests.</summary>
internal static class TinyTokenizer
{
    private static readonly JsonSerializerOptions Plain = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>Byte-level BPE over "Ġ", a, b, c with the merges ab and Ġab, and one special token.</summary>
    public static JsonObject ByteLevel() => JsonNode.Parse("""
        {
          "version": "1.0", "truncation": null, "padding": null,
          "added_tokens": [{"id": 6, "content": "<|end|>", "single_word": false, "lstrip": false, "rstrip": false, "normalized": false, "special": true}],
          "normalizer": null,
          "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true},
          "post_processor": {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<|end|>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}], "pair": [], "special_tokens": {"<|end|>": {"id": "<|end|>", "ids": [6], "tokens": ["<|end|>"]}}},
          "decoder": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true},
          "model": {"type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null, "end_of_word_suffix": null,
            "fuse_unk": false, "byte_fallback": false, "ignore_merges": false,
            "vocab": {"Ġ": 0, "a": 1, "b": 2, "c": 3, "ab": 4, "Ġab": 5}, "merges": ["a b", ["Ġ", "ab"]]}
        }
        """)!.AsObject();

    /// <summary>SentencePiece BPE: bytes, pieces and scores, as GGUF metadata.</summary>
    public static Dictionary<string, object> Pieces()
    {
        List<string> tokens = ["<unk>", "<s>", "</s>", .. Enumerable.Range(0, 256).Select(b => $"<0x{b:X2}>"), "▁", "a", "b", "ab", "▁ab", "<", "s", ">", "<s"];
        return new Dictionary<string, object>
        {
            ["tokenizer.ggml.model"] = "llama",
            ["tokenizer.ggml.tokens"] = tokens.ToArray(),
            ["tokenizer.ggml.scores"] = tokens.Select((_, i) => i < 259 ? 0f : 259f - i).ToArray(),
            ["tokenizer.ggml.token_type"] = tokens.Select((_, i) => i == 0 ? 2 : i < 3 ? 3 : i < 259 ? 6 : 1).ToArray(),
            ["tokenizer.ggml.bos_token_id"] = 1u,
            ["tokenizer.ggml.eos_token_id"] = 2u,
            ["tokenizer.ggml.unknown_token_id"] = 0u,
        };
    }

    public static TextTokenizer Load(JsonNode json) => Load(Encoding.UTF8.GetBytes(json.ToJsonString(Plain)));

    public static TextTokenizer Load(byte[] file)
    {
        string path = Path.GetTempFileName();
        try
        {
            File.WriteAllBytes(path, file);
            return TextTokenizer.FromTokenizerJson(path);
        }
        finally
        {
            File.Delete(path);
        }
    }
}
