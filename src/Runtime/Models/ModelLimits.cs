namespace Retrieval.Runtime.Models;

/// <summary>
/// Bounds on the sizes a file may ask for: far above any published model, and low enough that a product of two of them
/// cannot overflow 63 bits nor a single one 31.
/// </summary>
internal static class ModelLimits
{
    public const int Layers = 1_024;
    public const int Width = 1 << 20;
    public const int Heads = 4_096;
    public const int HeadDim = 4_096;
    public const int Vocabulary = 1 << 24;
    public const int Context = 1 << 30;
    public const double Theta = 1e12;
    public const double Factor = 1e6;

    /// <summary>Checks what no single key shows: how the sizes fit together.</summary>
    /// <exception cref="InputException">A relation does not hold; the message holds both numbers.</exception>
    public static ModelConfig Check(ModelConfig config, string source)
    {
        if (config.Heads % config.KvHeads != 0)
            throw Bad($"{config.Heads} heads cannot share {config.KvHeads} KV heads evenly");
        if (config.HeadDim % 2 != 0)
            throw Bad($"the head dimension {config.HeadDim} is odd and rotary embeddings need pairs");
        if ((long)config.Heads * config.HeadDim > Width)
            throw Bad($"{config.Heads} heads of {config.HeadDim} are wider than the limit of {Width:N0}");
        if (config.Rope.Dimensions % 2 != 0 || config.Rope.Dimensions > config.HeadDim)
            throw Bad($"{config.Rope.Dimensions} rotated dimensions must be even and at most the head dimension {config.HeadDim}");
        if (config.Rope.Scaling == RopeScaling.Dynamic && config.Rope.Dimensions < 4)
            throw Bad($"dynamic RoPE scaling needs at least 4 rotated dimensions, not {config.Rope.Dimensions}");
        foreach (int token in config.EosTokens.Concat(config.BosToken is int bos ? [bos] : Array.Empty<int>()))
        {
            if (token >= config.Vocabulary)
                throw Bad($"the special token {token} is outside the vocabulary of {config.Vocabulary}");
        }
        return config;

        InputException Bad(string what) => new($"{source}: {what}; correct the file or override the keys.");
    }
}
