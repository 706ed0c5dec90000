using Retrieval.Cli.Flags;
using Retrieval.Runtime;
using Retrieval.Runtime.Models;
using Retrieval.Runtime.Policies;

namespace Retrieval.Cli;

/// <summary>Says on standard error that a text is longer than what the model was trained for, which no error would ever tell.</summary>
internal static class ContextWarning
{
    // Models that were not trained with it take RoPE scaling well up to about here (docs/positions.md).
    private const int GoodFactor = 4;

    /// <param name="tokens">Tokens that the session holds, is about to read and may generate.</param>
    public static void Write(TextWriter writer, Engine engine, long tokens)
    {
        var policy = engine.Options.Policy as IvfPqPolicy;
        if (policy?.Positions == FarPositions.Clamped)
            return;
        bool clampable = policy is not null && engine.Options.Device == "cpu" && engine.ClampedRoom >= PolicyFlags.ClampedWindow;
        if (Text(engine.ModelName, engine.Config, tokens, clampable) is { } text)
            writer.WriteLine(text);
    }

    /// <summary>One sentence with both numbers and the remedy; null: the model was trained for so many tokens, or its RoPE scaling follows the length.</summary>
    public static string? Text(string model, ModelConfig config, long tokens, bool clampable = false)
    {
        RopeConfig rope = config.Rope;
        if (tokens <= config.TrainedContext || rope.Scaling == RopeScaling.Dynamic)
            return null;
        long unscaled = rope.Scaling is RopeScaling.Linear or RopeScaling.Yarn ? rope.OriginalContext : config.TrainedContext;
        long factor = (tokens + unscaled - 1) / unscaled;
        string scaled = rope.Scaling is RopeScaling.Linear or RopeScaling.Yarn ? " with its RoPE scaling" : "";
        string scaling = rope.Scaling == RopeScaling.Linear ? $"--rope-scaling linear --rope-scale {factor}" : $"--rope-scaling yarn --rope-scale {factor}";
        string remedy = clampable ? "so give --positions clamped"
            : factor <= GoodFactor ? $"so give {scaling}"
            : $"and {scaling} helps little at such a factor, so shorten the text or use a model with a longer context";
        return $"Text and answer may take {Units.Count(tokens)} tokens but {model} was trained for {Units.Count(config.TrainedContext)}{scaled}; what it writes past that is often nonsense, {remedy}.";
    }
}
