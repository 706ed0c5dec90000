namespace Retrieval.Runtime.Models;

/// <summary>Where a family's configuration puts sliding windows when no layer_types list says it.</summary>
internal enum WindowRule
{
    /// <summary>The family has none.</summary>
    None,

    /// <summary>sliding_window, unless null, on every layer (Mistral).</summary>
    EveryLayer,

    /// <summary>With use_sliding_window: on the layers without RoPE (SmolLM3).</summary>
    UnrotatedLayers,

    /// <summary>With use_sliding_window: on the layers from max_window_layers on (Qwen2, Qwen3).</summary>
    LastLayers,
}

/// <summary>
/// What tells one family of decoders from another, as data. Sources: the configuration classes of
/// huggingface/transformers (src/transformers/models/*/configuration_*.py) and llama_model_rope_type in llama.cpp.
/// </summary>
internal sealed record ModelFamily
{
    /// <summary>model_type of config.json, and general.architecture of GGUF if <see cref="InGguf"/>.</summary>
    public required string Name { get; init; }
    /// <summary>False where GGUF files carry another family's name (Mistral is stored as llama).</summary>
    public bool InGguf { get; init; } = true;
    /// <summary>Order of the rotated pairs in GGUF; Hugging Face files have halves throughout.</summary>
    public required RopePairs GgufPairs { get; init; }
    /// <summary>rope_theta when config.json does not name it.</summary>
    public float DefaultTheta { get; init; } = 10_000;
    /// <summary>tie_word_embeddings when config.json does not name it.</summary>
    public bool DefaultTied { get; init; }
    /// <summary>Query, key and value have biases whatever the configuration says.</summary>
    public bool QkvBias { get; init; }
    /// <summary>attention_bias puts biases on query, key, value and output.</summary>
    public bool AttentionBiasKey { get; init; }
    public bool QkNorm { get; init; }
    public WindowRule Windows { get; init; }
    /// <summary>Every so many layers one does not rotate; 0: all rotate.</summary>
    public int UnrotatedInterval { get; init; }

    public static IReadOnlyList<ModelFamily> All { get; } =
    [
        new() { Name = "llama", GgufPairs = RopePairs.Adjacent, AttentionBiasKey = true },
        new() { Name = "mistral", GgufPairs = RopePairs.Adjacent, InGguf = false, Windows = WindowRule.EveryLayer },
        new() { Name = "qwen2", GgufPairs = RopePairs.Halves, QkvBias = true, Windows = WindowRule.LastLayers },
        new() { Name = "qwen3", GgufPairs = RopePairs.Halves, AttentionBiasKey = true, QkNorm = true, Windows = WindowRule.LastLayers },
        new()
        {
            Name = "smollm3",
            GgufPairs = RopePairs.Adjacent,
            AttentionBiasKey = true,
            DefaultTheta = 2_000_000,
            DefaultTied = true,
            Windows = WindowRule.UnrotatedLayers,
            UnrotatedInterval = 4,
        },
    ];

    /// <summary>The family of a name; an unknown name is an error that lists the known ones.</summary>
    public static ModelFamily Find(Settings settings, string key, bool gguf)
    {
        string name = settings.Text(key) ?? throw settings.Missing(key);
        return All.FirstOrDefault(f => f.Name == name && (f.InGguf || !gguf))
            ?? throw settings.Wrong(key, name, $"one of the known families ({string.Join(", ", All.Where(f => f.InGguf || !gguf).Select(f => f.Name))})");
    }
}
