using System.Text.Json;
using System.Text.Json.Nodes;

namespace Retrieval.TestKit;

/// <summary>
/// A tiny random decoder that can be written in both formats: the same weights, seeded, so that a safetensors and a GGUF
/// checkpoint of one description compute the same (query and key rows are permuted where a GGUF family stores them so).
/// </summary>
public sealed record TinyModel
{
    /// <summary>model_type: llama, mistral, qwen2, qwen3 or smollm3.</summary>
    public string Family { get; init; } = "llama";
    public int Layers { get; init; } = 2;
    public int Hidden { get; init; } = 32;
    public int Ffn { get; init; } = 64;
    public int Heads { get; init; } = 4;
    public int KvHeads { get; init; } = 2;
    public int HeadDim { get; init; } = 8;
    public int Vocabulary { get; init; } = 48;
    public int Context { get; init; } = 256;
    public bool Tied { get; init; } = true;
    /// <summary>attention_bias (llama, qwen3, smollm3): biases on query, key, value and output.</summary>
    public bool AttentionBias { get; init; }
    public int Seed { get; init; } = 1;
    /// <summary>Further keys of config.json, as a JSON object; they replace the ones made here.</summary>
    public string ExtraConfig { get; init; } = "{}";

    private bool QkvBias => AttentionBias || Family == "qwen2";

    /// <summary>Writes the folder form.</summary>
    public void WriteSafetensors(string folder) => TinyCheckpoint.WriteSafetensors(folder, ConfigJson(), Tensors());

    /// <summary>Writes the GGUF form.</summary>
    /// <param name="path">File to write.</param>
    /// <param name="extra">Further metadata, such as a tokenizer.</param>
    public void WriteGguf(string path, IReadOnlyDictionary<string, object>? extra = null)
    {
        Dictionary<string, object> metadata = GgufMetadata();
        foreach ((string key, object value) in extra ?? new Dictionary<string, object>())
            metadata[key] = value;
        TinyGguf.Write(path, metadata, GgufTensors());
    }

    public string ConfigJson()
    {
        var config = new JsonObject
        {
            ["model_type"] = Family,
            ["hidden_size"] = Hidden,
            ["intermediate_size"] = Ffn,
            ["num_hidden_layers"] = Layers,
            ["num_attention_heads"] = Heads,
            ["num_key_value_heads"] = KvHeads,
            ["head_dim"] = HeadDim,
            ["vocab_size"] = Vocabulary,
            ["max_position_embeddings"] = Context,
            ["rms_norm_eps"] = 1e-5,
            ["rope_theta"] = 10000.0,
            ["hidden_act"] = "silu",
            ["tie_word_embeddings"] = Tied,
            ["attention_bias"] = AttentionBias,
            ["sliding_window"] = null,
        };
        foreach ((string key, JsonNode? value) in JsonNode.Parse(ExtraConfig)!.AsObject())
            config[key] = value?.DeepClone();
        return config.ToJsonString(new JsonSerializerOptions { WriteIndented = true });
    }

    public Dictionary<string, object> GgufMetadata()
    {
        string arch = Family == "mistral" ? "llama" : Family;
        return new()
        {
            ["general.architecture"] = arch,
            ["general.name"] = $"tiny {Family}",
            [$"{arch}.embedding_length"] = (uint)Hidden,
            [$"{arch}.feed_forward_length"] = (uint)Ffn,
            [$"{arch}.block_count"] = (uint)Layers,
            [$"{arch}.attention.head_count"] = (uint)Heads,
            [$"{arch}.attention.head_count_kv"] = (uint)KvHeads,
            [$"{arch}.attention.key_length"] = (uint)HeadDim,
            [$"{arch}.attention.value_length"] = (uint)HeadDim,
            [$"{arch}.attention.layer_norm_rms_epsilon"] = 1e-5f,
            [$"{arch}.vocab_size"] = (uint)Vocabulary,
            [$"{arch}.context_length"] = (uint)Context,
            [$"{arch}.rope.freq_base"] = 10000f,
            [$"{arch}.rope.dimension_count"] = (uint)HeadDim,
        };
    }

    /// <summary>All tensors in 32 bits under Hugging Face names.</summary>
    public List<TinyTensor> Tensors() => [.. Parts().Select(p => TinyTensor.F32(p.Name, p.Values, p.Shape))];

    /// <summary>All tensors in 32 bits under GGUF names.</summary>
    public List<TinyTensor> GgufTensors() => [.. Parts().Select(p => TinyTensor.F32(GgufName(p.Name), Stored(p.Name, p.Values), p.Shape))];

    private IEnumerable<(string Name, float[] Values, long[] Shape)> Parts()
    {
        var random = new Random(Seed);
        int query = Heads * HeadDim, keyValue = KvHeads * HeadDim;
        yield return Matrix("model.embed_tokens.weight", Vocabulary, Hidden);
        for (int layer = 0; layer < Layers; layer++)
        {
            string block = $"model.layers.{layer}.";
            yield return Vector(block + "input_layernorm.weight", Hidden, 1);
            yield return Matrix(block + "self_attn.q_proj.weight", query, Hidden);
            yield return Matrix(block + "self_attn.k_proj.weight", keyValue, Hidden);
            yield return Matrix(block + "self_attn.v_proj.weight", keyValue, Hidden);
            yield return Matrix(block + "self_attn.o_proj.weight", Hidden, query);
            if (QkvBias)
            {
                yield return Vector(block + "self_attn.q_proj.bias", query, 0);
                yield return Vector(block + "self_attn.k_proj.bias", keyValue, 0);
                yield return Vector(block + "self_attn.v_proj.bias", keyValue, 0);
            }
            if (AttentionBias)
                yield return Vector(block + "self_attn.o_proj.bias", Hidden, 0);
            if (Family == "qwen3")
            {
                yield return Vector(block + "self_attn.q_norm.weight", HeadDim, 1);
                yield return Vector(block + "self_attn.k_norm.weight", HeadDim, 1);
            }
            yield return Vector(block + "post_attention_layernorm.weight", Hidden, 1);
            yield return Matrix(block + "mlp.gate_proj.weight", Ffn, Hidden);
            yield return Matrix(block + "mlp.up_proj.weight", Ffn, Hidden);
            yield return Matrix(block + "mlp.down_proj.weight", Hidden, Ffn);
        }
        yield return Vector("model.norm.weight", Hidden, 1);
        if (!Tied)
            yield return Matrix("lm_head.weight", Vocabulary, Hidden);

        (string, float[], long[]) Matrix(string name, int rows, int columns) =>
            (name, Values(rows * columns, 0, 2 / MathF.Sqrt(columns)), [rows, columns]);

        (string, float[], long[]) Vector(string name, int size, float mean) => (name, Values(size, mean, 0.2f), [size]);

        float[] Values(int count, float mean, float spread)
        {
            float[] values = new float[count];
            for (int i = 0; i < count; i++)
                values[i] = mean + spread * (2 * random.NextSingle() - 1);
            return values;
        }
    }

    private static string GgufName(string name) => name
        .Replace("model.embed_tokens", "token_embd").Replace("model.norm", "output_norm").Replace("lm_head", "output")
        .Replace("model.layers", "blk").Replace("post_attention_layernorm", "ffn_norm").Replace("input_layernorm", "attn_norm")
        .Replace("self_attn.q_norm", "attn_q_norm").Replace("self_attn.k_norm", "attn_k_norm")
        .Replace("self_attn.o_proj", "attn_output").Replace("self_attn.q_proj", "attn_q").Replace("self_attn.k_proj", "attn_k")
        .Replace("self_attn.v_proj", "attn_v").Replace("mlp.gate_proj", "ffn_gate").Replace("mlp.up_proj", "ffn_up").Replace("mlp.down_proj", "ffn_down");

    /// <summary>Rows i and i + d/2 of a head become 2i and 2i + 1 in the families whose converter permutes.</summary>
    private float[] Stored(string name, float[] values)
    {
        bool rotated = name.Contains("q_proj") || name.Contains("k_proj");
        if (!rotated || Family is "qwen2" or "qwen3")
            return values;
        int rows = (name.Contains("q_proj") ? Heads : KvHeads) * HeadDim;
        int columns = values.Length / rows;
        float[] result = new float[values.Length];
        for (int row = 0; row < rows; row++)
        {
            int inHead = row % HeadDim;
            int target = row - inHead + (inHead < HeadDim / 2 ? 2 * inHead : 2 * (inHead - HeadDim / 2) + 1);
            values.AsSpan(row * columns, columns).CopyTo(result.AsSpan(target * columns));
        }
        return result;
    }
}
