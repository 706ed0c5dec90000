namespace Retrieval.Runtime.Models;

/// <summary>config.json of Hugging Face → <see cref="ModelConfig"/>.</summary>
internal static class HuggingFaceConfig
{
    /// <summary>Options that change the computation in ways this program does not implement: present and set, refused.</summary>
    private static readonly string[] Refused =
    [
        "mlp_bias", "num_local_experts", "num_experts", "n_routed_experts", "attn_logit_softcapping", "final_logit_softcapping",
        "embedding_multiplier", "logits_scaling", "residual_multiplier", "attention_multiplier", "is_encoder_decoder",
    ];

    /// <exception cref="InputException">A key is missing, absurd or asks for what is not implemented.</exception>
    public static ModelConfig Read(Settings settings)
    {
        ModelFamily family = ModelFamily.Find(settings, "model_type", gguf: false);
        RefuseUnimplemented(settings);

        int hidden = settings.Int("hidden_size", 1, ModelLimits.Width);
        int layers = settings.Int("num_hidden_layers", 1, ModelLimits.Layers);
        int heads = settings.Int("num_attention_heads", 1, ModelLimits.Heads);
        int headDim = settings.OptionalInt("head_dim", 1, ModelLimits.HeadDim) ?? DividedHead(settings, hidden, heads);
        int context = settings.Int("max_position_embeddings", 1, ModelLimits.Context);
        bool attentionBias = family.AttentionBiasKey && settings.Bool("attention_bias", false);
        RopeConfig rope = HuggingFaceRope.Read(settings, family, headDim, context);

        return ModelLimits.Check(new ModelConfig
        {
            Family = family.Name,
            Layers = layers,
            Hidden = hidden,
            Ffn = settings.Int("intermediate_size", 1, ModelLimits.Width),
            Heads = heads,
            KvHeads = settings.OptionalInt("num_key_value_heads", 1, ModelLimits.Heads) ?? heads,
            HeadDim = headDim,
            Vocabulary = settings.Int("vocab_size", 1, ModelLimits.Vocabulary),
            TrainedContext = HuggingFaceRope.ScaledContext(rope, context),
            NormEpsilon = settings.Float("rms_norm_eps", 1e-12, 1),
            TiedEmbeddings = settings.Bool("tie_word_embeddings", family.DefaultTied),
            QkvBias = family.QkvBias || attentionBias,
            OutputBias = attentionBias,
            QkNorm = family.QkNorm,
            Rope = rope,
            LayerKinds = LayerKinds(settings, family, layers),
            BosToken = settings.Ints("bos_token_id", -1, ModelLimits.Vocabulary).Where(t => t >= 0).Select(t => (int?)t).FirstOrDefault(),
            EosTokens = [.. settings.Ints("eos_token_id", -1, ModelLimits.Vocabulary).Where(t => t >= 0)],
        }, settings.Source);
    }

    private static void RefuseUnimplemented(Settings settings)
    {
        if (settings.HasObject("quantization_config"))
            throw new InputException($"{settings.Source} has a quantization_config ({settings.Find("quantization_config.quant_method") ?? "no method"}), and quantised safetensors cannot be read; use the unquantised weights or a GGUF file.");
        foreach (string key in Refused)
        {
            // 0, 1 and false are how the classes spell "off" (a multiplier of one included).
            if (settings.Find(key) is object value && value is not (false or 0L or 1L or 0.0 or 1.0))
                throw new InputException($"{settings.Source}: {key} is {Settings.Show(value)}, which is not implemented; use a model without it.");
        }
        string activation = settings.Text("hidden_act") ?? "silu";
        if (activation != "silu")
            throw settings.Wrong("hidden_act", activation, "silu, the only activation that is implemented");
    }

    private static int DividedHead(Settings settings, int hidden, int heads) => hidden % heads == 0
        ? hidden / heads
        : throw new InputException($"{settings.Source}: hidden_size {hidden} is not a multiple of num_attention_heads {heads} and there is no head_dim; correct the file or override head_dim.");

    private static LayerConfig[] LayerKinds(Settings settings, ModelFamily family, int layers)
    {
        bool[] rotary = Rotary(settings, family, layers);
        int? window = Window(settings, family);
        int firstWindowed = family.Windows == WindowRule.LastLayers ? settings.OptionalInt("max_window_layers", 0, int.MaxValue) ?? 28 : 0;
        IReadOnlyList<object>? types = settings.List("layer_types");
        if (types is not null && types.Count != layers)
            throw settings.Wrong("layer_types", types.ToArray(), $"a list of {layers} entries, one for each layer (it has {types.Count})");

        var kinds = new LayerConfig[layers];
        for (int layer = 0; layer < layers; layer++)
        {
            bool windowed = types is not null ? Windowed(settings, types[layer]) : family.Windows switch
            {
                WindowRule.EveryLayer => true,
                WindowRule.UnrotatedLayers => !rotary[layer],
                WindowRule.LastLayers => layer >= firstWindowed,
                _ => false,
            };
            if (types is not null && windowed && window is null)
                throw new InputException($"{settings.Source}: layer_types has sliding_attention at layer {layer}, but sliding_window is not set or use_sliding_window is off; correct the file.");
            kinds[layer] = new LayerConfig(rotary[layer], windowed ? window : null);
        }
        return kinds;
    }

    private static bool Windowed(Settings settings, object type) => type switch
    {
        "full_attention" => false,
        "sliding_attention" => true,
        _ => throw settings.Wrong("layer_types", type, "full_attention or sliding_attention in each entry"),
    };

    private static int? Window(Settings settings, ModelFamily family)
    {
        if (family.Windows == WindowRule.None)
            return null;
        if (family.Windows != WindowRule.EveryLayer && !settings.Bool("use_sliding_window", false))
            return null;
        // Mistral's class fills a missing key with 4096: null and missing mean different things, so missing is not guessed at.
        if (!settings.Mentions("sliding_window"))
            throw settings.Missing("sliding_window");
        return settings.OptionalInt("sliding_window", 1, ModelLimits.Context);
    }

    private static bool[] Rotary(Settings settings, ModelFamily family, int layers)
    {
        if (family.UnrotatedInterval == 0)
            return [.. Enumerable.Repeat(true, layers)];
        // 1 in no_rope_layers marks a layer that uses RoPE, its name notwithstanding.
        IReadOnlyList<int> flags = settings.Ints("no_rope_layers", 0, 1);
        if (flags.Count > 0)
        {
            return flags.Count >= layers
                ? [.. flags.Take(layers).Select(f => f == 1)]
                : throw settings.Wrong("no_rope_layers", flags.ToArray(), $"a list of at least {layers} entries (it has {flags.Count})");
        }
        int interval = settings.OptionalInt("no_rope_layer_interval", 1, int.MaxValue) ?? family.UnrotatedInterval;
        return [.. Enumerable.Range(1, layers).Select(n => n % interval != 0)];
    }
}
