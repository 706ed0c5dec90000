namespace Retrieval.Runtime.Models;

/// <summary>
/// One decoder-only transformer, as data: everything the decoder needs to know about a family, read from
/// <c>config.json</c> or GGUF metadata. Widths are in elements.
/// </summary>
public sealed record ModelConfig
{
    /// <summary>Family as the file names it: llama, smollm3, mistral, qwen2, qwen3.</summary>
    public required string Family { get; init; }
    public required int Layers { get; init; }
    public required int Hidden { get; init; }
    public required int Ffn { get; init; }
    /// <summary>Query heads.</summary>
    public required int Heads { get; init; }
    /// <summary>KV heads; a group of <see cref="Group"/> query heads shares one.</summary>
    public required int KvHeads { get; init; }
    public required int HeadDim { get; init; }
    public required int Vocabulary { get; init; }
    /// <summary>Length the model was trained for, in tokens (after RoPE scaling if the file configures one).</summary>
    public required int TrainedContext { get; init; }
    public required float NormEpsilon { get; init; }
    /// <summary>The output head is the transposed embedding.</summary>
    public bool TiedEmbeddings { get; init; }
    /// <summary>Biases on the query, key and value projections (Qwen2).</summary>
    public bool QkvBias { get; init; }
    /// <summary>Bias on the attention output projection.</summary>
    public bool OutputBias { get; init; }
    /// <summary>RMS norm on each query and key head before RoPE (Qwen3).</summary>
    public bool QkNorm { get; init; }
    public required RopeConfig Rope { get; init; }
    /// <summary>Per layer: does it rotate queries and keys (SmolLM3 has layers without positions), and its window.</summary>
    public required IReadOnlyList<LayerConfig> LayerKinds { get; init; }
    public int? BosToken { get; init; }
    public IReadOnlyList<int> EosTokens { get; init; } = [];

    /// <summary>Query heads for each KV head.</summary>
    public int Group => Heads / KvHeads;
}

/// <summary>What differs from layer to layer.</summary>
/// <param name="Rotary">Queries and keys are rotated (false: NoPE layer).</param>
/// <param name="SlidingWindow">A token sees itself and the SlidingWindow − 1 before it; null: all.</param>
public readonly record struct LayerConfig(bool Rotary, int? SlidingWindow);

/// <summary>How the two halves of a rotated pair lie in a head.</summary>
public enum RopePairs
{
    /// <summary>(i, i + d/2): Hugging Face weights, and GGUF of the Qwen family.</summary>
    Halves,

    /// <summary>(2i, 2i + 1): GGUF of the Llama family, whose converter permutes query and key rows.</summary>
    Adjacent,
}

public enum RopeScaling
{
    None,
    Linear,
    Dynamic,
    Yarn,
    Llama3,
}

/// <summary>Rotary position embedding (arXiv 2104.09864) and its extensions past the trained length.</summary>
public sealed record RopeConfig
{
    public required float Theta { get; init; }
    public required RopePairs Pairs { get; init; }
    /// <summary>Rotated elements of a head; the rest pass unchanged. Equals HeadDim unless partial.</summary>
    public required int Dimensions { get; init; }
    public RopeScaling Scaling { get; init; } = RopeScaling.None;
    public float Factor { get; init; } = 1;
    /// <summary>Context before scaling (YaRN, llama3, dynamic).</summary>
    public int OriginalContext { get; init; }
    /// <summary>YaRN: rotations over the original context above which a frequency is left alone; default 32.</summary>
    public float BetaFast { get; init; } = 32;
    /// <summary>YaRN: rotations below which a frequency is fully interpolated; default 1.</summary>
    public float BetaSlow { get; init; } = 1;
    /// <summary>YaRN: how far the fast pairs turn as trained: 1 (default) entirely, 0 not at all, which is linear scaling.</summary>
    public float ExtensionFactor { get; init; } = 1;
    /// <summary>YaRN: factor on cos and sin; null: 0.1 ln(Factor) + 1.</summary>
    public float? AttentionFactor { get; init; }
    /// <summary>YaRN: the bounds of the ramp are rounded outwards to whole pairs; default true.</summary>
    public bool WholeBounds { get; init; } = true;
    /// <summary>llama3: wavelength bounds as divisors of the original context; defaults 1 and 4.</summary>
    public float LowFrequencyFactor { get; init; } = 1;
    public float HighFrequencyFactor { get; init; } = 4;
    /// <summary>GGUF rope_freqs.weight: divisors of the inverse frequencies, [Dimensions / 2]; null: none.</summary>
    public float[]? FrequencyDivisors { get; init; }
}
