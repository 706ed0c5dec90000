using System.Text.Json;

namespace Retrieval.TestKit;

/// <summary>The smallest tokenizer a model can be loaded with: byte level, one token for each of the first printable characters.</summary>
public static class TinyVocabulary
{
    private static readonly string[] Tokens = [.. Enumerable.Range('!', 32).Select(c => ((char)c).ToString())];

    /// <summary>Writes tokenizer.json into a model folder.</summary>
    public static void WriteJson(string folder)
    {
        var step = new { type = "ByteLevel", add_prefix_space = false, trim_offsets = false, use_regex = true };
        var vocabulary = Tokens.Select((text, id) => (text, id)).ToDictionary(t => t.text, t => t.id);
        File.WriteAllText(Path.Combine(folder, "tokenizer.json"), JsonSerializer.Serialize(new
        {
            version = "1.0",
            added_tokens = Array.Empty<object>(),
            pre_tokenizer = step,
            decoder = step,
            model = new { type = "BPE", vocab = vocabulary, merges = Array.Empty<string>() },
        }));
    }

    /// <summary>The same as GGUF metadata.</summary>
    public static Dictionary<string, object> Gguf() => new()
    {
        ["tokenizer.ggml.model"] = "gpt2",
        ["tokenizer.ggml.pre"] = "gpt-2",
        ["tokenizer.ggml.tokens"] = Tokens,
        ["tokenizer.ggml.merges"] = Array.Empty<string>(),
    };
}
