using Retrieval.Runtime.Models;

namespace Retrieval.Cli.Flags;

/// <summary>How a checkpoint spells its RoPE configuration: GGUF metadata, or one of the two ways of config.json.</summary>
internal sealed record RopeKeys(string Theta, string Type, string Unscaled, string Factor, string OriginalContext, string BetaFast, string BetaSlow, string AttentionFactor, string? ExtensionFactor)
{
    /// <summary>True if <see cref="AttentionFactor"/> replaces YaRN's 0.1 ln(factor) + 1; llama.cpp's multiplies it.</summary>
    public required bool AttentionReplaces { get; init; }

    /// <summary>The spelling of the model at that path.</summary>
    public static RopeKeys For(string model)
    {
        if (Path.GetExtension(model).Equals(".gguf", StringComparison.OrdinalIgnoreCase))
        {
            using var checkpoint = Checkpoint.Open(model);
            string prefix = checkpoint.Config.Family + ".rope.";
            return new RopeKeys(prefix + "freq_base", prefix + "scaling.type", "none", prefix + "scaling.factor", prefix + "scaling.original_context_length",
                prefix + "scaling.yarn_beta_fast", prefix + "scaling.yarn_beta_slow", prefix + "scaling.yarn_attn_factor",
                prefix + "scaling.yarn_ext_factor")
            { AttentionReplaces = false };
        }
        bool newer = HasRopeParameters(model);
        string root = newer ? "rope_parameters." : "rope_scaling.";
        return new RopeKeys(newer ? root + "rope_theta" : "rope_theta", root + "rope_type", "default", root + "factor",
            root + "original_max_position_embeddings", root + "beta_fast", root + "beta_slow", root + "attention_factor", null)
        { AttentionReplaces = true };
    }

    /// <summary>A guess from the text suffices: opening the model reports what is wrong with the file.</summary>
    private static bool HasRopeParameters(string model)
    {
        string folder = Directory.Exists(model) ? model : Path.GetDirectoryName(Path.GetFullPath(model))!;
        string config = Path.Combine(folder, "config.json");
        return File.Exists(config) && File.ReadAllText(config).Contains("\"rope_parameters\"", StringComparison.Ordinal);
    }
}
