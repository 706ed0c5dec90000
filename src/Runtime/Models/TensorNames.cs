using System.Text.RegularExpressions;

namespace Retrieval.Runtime.Models;

/// <summary>
/// Which tensors a model consists of, under their Hugging Face names, and what GGUF calls them (llama.cpp,
/// gguf-py/gguf/tensor_mapping.py).
/// </summary>
internal static partial class TensorNames
{
    public const string Embedding = "model.embed_tokens.weight";
    public const string Norm = "model.norm.weight";
    public const string Head = "lm_head.weight";

    /// <summary>GGUF's divisors of the rotary frequencies; part of the configuration rather than of the tensors.</summary>
    public const string GgufRopeDivisors = "rope_freqs.weight";

    private static readonly Dictionary<string, string> OutsideBlocks = new()
    {
        ["token_embd.weight"] = Embedding,
        ["output_norm.weight"] = Norm,
        ["output.weight"] = Head,
    };

    private static readonly Dictionary<string, string> InBlock = new()
    {
        ["attn_norm"] = "input_layernorm",
        ["attn_q"] = "self_attn.q_proj",
        ["attn_k"] = "self_attn.k_proj",
        ["attn_v"] = "self_attn.v_proj",
        ["attn_output"] = "self_attn.o_proj",
        ["attn_q_norm"] = "self_attn.q_norm",
        ["attn_k_norm"] = "self_attn.k_norm",
        ["ffn_norm"] = "post_attention_layernorm",
        ["ffn_gate"] = "mlp.gate_proj",
        ["ffn_up"] = "mlp.up_proj",
        ["ffn_down"] = "mlp.down_proj",
    };

    /// <summary>Every tensor of a model with its shape, the head left out when it is tied.</summary>
    public static IEnumerable<(string Name, int[] Shape)> Expected(ModelConfig config)
    {
        int query = config.Heads * config.HeadDim;
        int keyValue = config.KvHeads * config.HeadDim;
        yield return (Embedding, [config.Vocabulary, config.Hidden]);
        for (int layer = 0; layer < config.Layers; layer++)
        {
            string block = $"model.layers.{layer}.";
            yield return ($"{block}input_layernorm.weight", [config.Hidden]);
            yield return ($"{block}self_attn.q_proj.weight", [query, config.Hidden]);
            yield return ($"{block}self_attn.k_proj.weight", [keyValue, config.Hidden]);
            yield return ($"{block}self_attn.v_proj.weight", [keyValue, config.Hidden]);
            yield return ($"{block}self_attn.o_proj.weight", [config.Hidden, query]);
            if (config.QkvBias)
            {
                yield return ($"{block}self_attn.q_proj.bias", [query]);
                yield return ($"{block}self_attn.k_proj.bias", [keyValue]);
                yield return ($"{block}self_attn.v_proj.bias", [keyValue]);
            }
            if (config.OutputBias)
                yield return ($"{block}self_attn.o_proj.bias", [config.Hidden]);
            if (config.QkNorm)
            {
                yield return ($"{block}self_attn.q_norm.weight", [config.HeadDim]);
                yield return ($"{block}self_attn.k_norm.weight", [config.HeadDim]);
            }
            yield return ($"{block}post_attention_layernorm.weight", [config.Hidden]);
            yield return ($"{block}mlp.gate_proj.weight", [config.Ffn, config.Hidden]);
            yield return ($"{block}mlp.up_proj.weight", [config.Ffn, config.Hidden]);
            yield return ($"{block}mlp.down_proj.weight", [config.Hidden, config.Ffn]);
        }
        yield return (Norm, [config.Hidden]);
        if (!config.TiedEmbeddings)
            yield return (Head, [config.Vocabulary, config.Hidden]);
    }

    /// <summary>The Hugging Face name of a GGUF tensor; a name that GGUF does not define comes back unchanged.</summary>
    public static string FromGguf(string name)
    {
        if (OutsideBlocks.TryGetValue(name, out string? known))
            return known;
        Match match = Block().Match(name);
        return match.Success && InBlock.TryGetValue(match.Groups[2].Value, out string? part)
            ? $"model.layers.{match.Groups[1].Value}.{part}.{match.Groups[3].Value}"
            : name;
    }

    /// <summary>Buffers that old files carry and every reader recomputes.</summary>
    public static bool IsHarmless(string name) =>
        name.EndsWith(".rotary_emb.inv_freq", StringComparison.Ordinal) || name.EndsWith(".attn_rot_embd.weight", StringComparison.Ordinal);

    [GeneratedRegex(@"^blk\.([0-9]{1,6})\.([a-z_]+)\.(weight|bias)$")]
    private static partial Regex Block();
}
