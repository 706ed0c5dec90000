namespace Retrieval.Runtime.Models;

/// <summary>
/// GGUF metadata → <see cref="ModelConfig"/>. Keys are those of ggml's docs/gguf.md, prefixed with the architecture; what
/// metadata leaves open (vocabulary, biases, tied head) the list of tensors answers, as in llama.cpp.
/// </summary>
internal static class GgufConfig
{
    /// <summary>Keys that change the computation in ways this program does not implement: present and not zero, refused.</summary>
    private static readonly string[] Refused =
    [
        "expert_count", "attention.scale", "attention.clamp_kqv", "attention.max_alibi_bias", "logit_scale", "residual_scale",
        "embedding_scale", "attn_logit_softcapping", "final_logit_softcapping", "rope.scaling.yarn_log_multiplier",
    ];

    /// <param name="tensors">Tensors by the file's names.</param>
    /// <exception cref="InputException">A key is missing, absurd or asks for what is not implemented.</exception>
    public static ModelConfig Read(Settings settings, IReadOnlyDictionary<string, FileTensor> tensors)
    {
        ModelFamily family = ModelFamily.Find(settings, "general.architecture", gguf: true);
        string prefix = family.Name + ".";
        foreach (string key in Refused)
        {
            if (settings.OptionalFloat(prefix + key, float.MinValue, float.MaxValue) is float value and not 0)
                throw settings.Wrong(prefix + key, value, "0 or absent, because it is not implemented");
        }

        if (!settings.Bool(prefix + "attention.causal", true))
            throw settings.Wrong(prefix + "attention.causal", false, "true, because only causal attention is implemented");
        if (settings.OptionalInt("split.count", 0, int.MaxValue) is int parts and > 1)
            throw settings.Wrong("split.count", parts, "at most 1; join the parts with llama-gguf-split --merge");

        int hidden = settings.Int(prefix + "embedding_length", 1, ModelLimits.Width);
        int layers = settings.Int(prefix + "block_count", 1, ModelLimits.Layers);
        int heads = PerLayer(settings, prefix + "attention.head_count", ModelLimits.Heads) ?? throw settings.Missing(prefix + "attention.head_count");
        int headDim = HeadDim(settings, prefix, hidden, heads);
        int context = settings.Int(prefix + "context_length", 1, ModelLimits.Context);
        RopeConfig rope = Rope(settings, prefix, family, headDim, context);
        bool biased = tensors.ContainsKey("blk.0.attn_q.bias");
        // 0 stands for "no window" in converted files.
        int? window = settings.OptionalInt(prefix + "attention.sliding_window", 0, ModelLimits.Context) is int w and > 0 ? w : null;

        return ModelLimits.Check(new ModelConfig
        {
            Family = family.Name,
            Layers = layers,
            Hidden = hidden,
            Ffn = PerLayer(settings, prefix + "feed_forward_length", ModelLimits.Width) ?? throw settings.Missing(prefix + "feed_forward_length"),
            Heads = heads,
            KvHeads = PerLayer(settings, prefix + "attention.head_count_kv", ModelLimits.Heads) ?? heads,
            HeadDim = headDim,
            Vocabulary = Vocabulary(settings, prefix, tensors),
            TrainedContext = HuggingFaceRope.ScaledContext(rope, context),
            NormEpsilon = settings.Float(prefix + "attention.layer_norm_rms_epsilon", 1e-12, 1),
            TiedEmbeddings = !tensors.ContainsKey("output.weight"),
            QkvBias = family.QkvBias || biased,
            OutputBias = tensors.ContainsKey("blk.0.attn_output.bias"),
            QkNorm = family.QkNorm,
            Rope = rope,
            LayerKinds = [.. Enumerable.Range(1, layers).Select(n =>
                new LayerConfig(family.UnrotatedInterval == 0 || n % family.UnrotatedInterval != 0, window))],
            BosToken = Token(settings, "bos"),
            EosTokens = [.. new[] { Token(settings, "eos"), Token(settings, "eot"), Token(settings, "eom") }.OfType<int>().Distinct()],
        }, settings.Source);
    }

    private static int HeadDim(Settings settings, string prefix, int hidden, int heads)
    {
        int? key = settings.OptionalInt(prefix + "attention.key_length", 1, ModelLimits.HeadDim);
        int? value = settings.OptionalInt(prefix + "attention.value_length", 1, ModelLimits.HeadDim);
        if (key is null && hidden % heads != 0)
            throw new InputException($"{settings.Source}: {prefix}embedding_length {hidden} is not a multiple of {heads} heads and there is no {prefix}attention.key_length; override the key.");
        int headDim = key ?? hidden / heads;
        return value is null || value == headDim
            ? headDim
            : throw settings.Wrong(prefix + "attention.value_length", value, $"the key length, {headDim}");
    }

    private static RopeConfig Rope(Settings settings, string prefix, ModelFamily family, int headDim, int context)
    {
        var rope = new RopeConfig
        {
            Theta = settings.OptionalFloat(prefix + "rope.freq_base", 2, ModelLimits.Theta) ?? 10_000,
            Pairs = family.GgufPairs,
            Dimensions = settings.OptionalInt(prefix + "rope.dimension_count", 2, ModelLimits.HeadDim) ?? headDim,
            OriginalContext = settings.OptionalInt(prefix + "rope.scaling.original_context_length", 1, ModelLimits.Context) ?? context,
        };
        float? oldLinear = settings.OptionalFloat(prefix + "rope.scale_linear", 1, ModelLimits.Factor);
        float factor = settings.OptionalFloat(prefix + "rope.scaling.factor", 0, ModelLimits.Factor) is float f and not 0 ? f : oldLinear ?? 1;
        string type = settings.Text(prefix + "rope.scaling.type") ?? (factor == 1 ? "none" : "linear");
        if (type != "none" && factor < 1)
            throw settings.Wrong(prefix + "rope.scaling.factor", factor, "at least 1");
        if (type != "yarn" && settings.OptionalFloat(prefix + "rope.scaling.attn_factor", 1e-3, ModelLimits.Factor) is float attention and not 1)
            throw settings.Wrong(prefix + "rope.scaling.attn_factor", attention, $"1 with scaling {type}, because it is implemented for yarn only");
        return type switch
        {
            "none" => rope with { OriginalContext = 0 },
            "linear" => rope with { Scaling = RopeScaling.Linear, Factor = factor },
            "yarn" => Yarn(settings, prefix + "rope.scaling.", rope, factor),
            _ => throw settings.Wrong(prefix + "rope.scaling.type", type, "none, linear or yarn"),
        };
    }

    /// <summary>llama.cpp multiplies its attention factors onto 0.1 ln(factor) + 1 instead of replacing it.</summary>
    private static RopeConfig Yarn(Settings settings, string prefix, RopeConfig rope, float factor)
    {
        float attention = (settings.OptionalFloat(prefix + "attn_factor", 1e-3, ModelLimits.Factor) ?? 1)
            * (settings.OptionalFloat(prefix + "yarn_attn_factor", 1e-3, ModelLimits.Factor) ?? 1);
        // -1 stands for the default.
        float extension = settings.OptionalFloat(prefix + "yarn_ext_factor", -1, 1) is float given and not -1 ? given : 1;
        if (extension < 0)
            throw settings.Wrong(prefix + "yarn_ext_factor", extension, "from 0 to 1, or -1 for the default, 1");
        return rope with
        {
            Scaling = RopeScaling.Yarn,
            Factor = factor,
            BetaFast = settings.OptionalFloat(prefix + "yarn_beta_fast", 1e-3, ModelLimits.Factor) ?? 32,
            BetaSlow = settings.OptionalFloat(prefix + "yarn_beta_slow", 1e-3, ModelLimits.Factor) ?? 1,
            ExtensionFactor = extension,
            // Without extrapolated pairs llama.cpp leaves the magnitude alone.
            AttentionFactor = extension == 0 ? attention : attention == 1 ? null : (float)(attention * RopeFrequencies.YarnMagnitude(factor, 1)),
        };
    }

    /// <summary>A size that may be given once, or for each layer but always the same.</summary>
    private static int? PerLayer(Settings settings, string key, int max)
    {
        IReadOnlyList<int> sizes = settings.Ints(key, 1, max);
        if (sizes.Count == 0)
            return null;
        return sizes.All(s => s == sizes[0])
            ? sizes[0]
            : throw settings.Wrong(key, sizes.ToArray(), "the same for every layer");
    }

    private static int Vocabulary(Settings settings, string prefix, IReadOnlyDictionary<string, FileTensor> tensors)
    {
        if (settings.OptionalInt(prefix + "vocab_size", 1, ModelLimits.Vocabulary) is int stated)
            return stated;
        if (settings.List("tokenizer.ggml.tokens") is { Count: > 0 and <= ModelLimits.Vocabulary } tokens)
            return tokens.Count;
        return tensors.TryGetValue("token_embd.weight", out FileTensor? embedding) && embedding.Shape[0] <= ModelLimits.Vocabulary
            ? (int)embedding.Shape[0]
            : throw settings.Missing(prefix + "vocab_size");
    }

    /// <summary>A special token; all bits set stands for "none" in converted files.</summary>
    private static int? Token(Settings settings, string name)
    {
        string key = $"tokenizer.ggml.{name}_token_id";
        return settings.Find(key) is uint.MaxValue or -1 ? null : settings.OptionalInt(key, 0, ModelLimits.Vocabulary);
    }
}
