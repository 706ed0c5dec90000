namespace Retrieval.Runtime.Models;

/// <summary>
/// The rotary part of config.json: <c>rope_theta</c> and <c>rope_scaling</c>, or both in <c>rope_parameters</c>; the kind
/// of scaling under <c>rope_type</c> or the older <c>type</c>. Defaults as in huggingface/transformers,
/// src/transformers/modeling_rope_utils.py.
/// </summary>
internal static class HuggingFaceRope
{
    public static RopeConfig Read(Settings settings, ModelFamily family, int headDim, int context)
    {
        if (settings.HasObject("rope_parameters.full_attention") || settings.HasObject("rope_parameters.sliding_attention"))
            throw new InputException($"{settings.Source}: rope_parameters differ by layer type, which is not implemented; use a model with one set.");
        // A file that has both was written by a new version over an old one, or overridden: rope_scaling wins, as it does there.
        string prefix = settings.HasObject("rope_scaling") ? "rope_scaling." : "rope_parameters.";
        float partial = Either(settings, "partial_rotary_factor", 0.01, 1) ?? 1;
        var rope = new RopeConfig
        {
            Theta = Either(settings, "rope_theta", 2, ModelLimits.Theta) ?? family.DefaultTheta,
            Pairs = RopePairs.Halves,
            Dimensions = (int)(headDim * partial),
        };

        string type = settings.Text(prefix + "rope_type") ?? settings.Text(prefix + "type") ?? "default";
        int? original = settings.OptionalInt(prefix + "original_max_position_embeddings", 1, ModelLimits.Context);
        return type switch
        {
            "default" => rope,
            "linear" => rope with { Scaling = RopeScaling.Linear, Factor = Factor(settings, prefix), OriginalContext = original ?? context },
            "dynamic" => rope with { Scaling = RopeScaling.Dynamic, Factor = Factor(settings, prefix), OriginalContext = original ?? context },
            "llama3" => Llama3(settings, prefix, rope, original ?? throw settings.Missing(prefix + "original_max_position_embeddings")),
            "yarn" => Yarn(settings, prefix, rope, original, context),
            _ => throw settings.Wrong(prefix + "rope_type", type, "default, linear, dynamic, yarn or llama3"),
        };
    }

    /// <summary>
    /// The length the scaled model is meant for, from what its file says. linear and dynamic configurations keep the unscaled length in
    /// max_position_embeddings, llama3 the scaled one, and yarn either.
    /// </summary>
    public static int ScaledContext(RopeConfig rope, int context) => rope.Scaling switch
    {
        RopeScaling.None or RopeScaling.Llama3 => context,
        _ => (int)Math.Clamp((double)rope.OriginalContext * rope.Factor, context, ModelLimits.Context),
    };

    private static RopeConfig Llama3(Settings settings, string prefix, RopeConfig rope, int original)
    {
        float low = settings.Float(prefix + "low_freq_factor", 1e-3, ModelLimits.Factor);
        float high = settings.Float(prefix + "high_freq_factor", 1e-3, ModelLimits.Factor);
        if (high <= low)
            throw settings.Wrong(prefix + "high_freq_factor", high, $"more than low_freq_factor, {low}");
        return rope with
        {
            Scaling = RopeScaling.Llama3,
            Factor = Factor(settings, prefix),
            OriginalContext = original,
            LowFrequencyFactor = low,
            HighFrequencyFactor = high,
        };
    }

    private static RopeConfig Yarn(Settings settings, string prefix, RopeConfig rope, int? original, int context)
    {
        float factor = settings.OptionalFloat(prefix + "factor", 1, ModelLimits.Factor)
            ?? (original is int o && o <= context ? (float)context / o : throw settings.Missing(prefix + "factor"));
        float fast = settings.OptionalFloat(prefix + "beta_fast", 1e-3, ModelLimits.Factor) ?? 32;
        float slow = settings.OptionalFloat(prefix + "beta_slow", 1e-3, ModelLimits.Factor) ?? 1;
        if (fast < slow)
            throw settings.Wrong(prefix + "beta_fast", fast, $"at least beta_slow, {slow}");

        float? magnitude = settings.OptionalFloat(prefix + "attention_factor", 1e-3, ModelLimits.Factor);
        float mscale = settings.OptionalFloat(prefix + "mscale", 0, ModelLimits.Factor) ?? 0;
        float mscaleAll = settings.OptionalFloat(prefix + "mscale_all_dim", 0, ModelLimits.Factor) ?? 0;
        if (magnitude is null && mscale != 0 && mscaleAll != 0)
            magnitude = (float)(RopeFrequencies.YarnMagnitude(factor, mscale) / RopeFrequencies.YarnMagnitude(factor, mscaleAll));
        return rope with
        {
            Scaling = RopeScaling.Yarn,
            Factor = factor,
            OriginalContext = original ?? context,
            BetaFast = fast,
            BetaSlow = slow,
            AttentionFactor = magnitude,
            WholeBounds = settings.Bool(prefix + "truncate", true),
        };
    }

    private static float Factor(Settings settings, string prefix) => settings.Float(prefix + "factor", 1, ModelLimits.Factor);

    /// <summary>A key that older files have at the top and newer ones in rope_parameters; the newer place wins.</summary>
    private static float? Either(Settings settings, string key, double min, double max)
    {
        float? top = settings.OptionalFloat(key, min, max);
        return settings.OptionalFloat("rope_parameters." + key, min, max) ?? top;
    }
}
