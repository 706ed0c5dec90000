using System.CommandLine;
using System.Globalization;

namespace Retrieval.Cli.Flags;

/// <summary>RoPE scaling by llama.cpp's names, handed on as overrides of the keys that the checkpoint has for it.</summary>
internal sealed class RopeFlags
{
    private readonly Option<string?> _scaling = Flag.Choice<string?>("--rope-scaling", [], "RoPE scaling instead of the model's own", null,
        ("none", "none"), ("linear", "linear"), ("yarn", "yarn"));

    private readonly Option<float?> _scale = Flag.Of<float?>("--rope-scale", [], "RoPE scaling factor: how many times longer the context becomes", null, value => Numbers.Float(value));
    private readonly Option<float?> _frequencyScale = Flag.Of<float?>("--rope-freq-scale", [], "The inverse of --rope-scale", null, value => Inverse(value));
    private readonly Option<float?> _base = Flag.Of<float?>("--rope-freq-base", [], "RoPE base frequency (theta)", null, value => Numbers.Float(value));
    private readonly Option<int?> _original = Flag.Of<int?>("--yarn-orig-ctx", [], "YaRN: context before scaling", null, value => Numbers.Tokens(value));
    private readonly Option<float?> _extension = Flag.Of<float?>("--yarn-ext-factor", [], "YaRN: how far fast pairs turn as trained, 1 entirely, 0 not at all (GGUF)", null, value => Numbers.Float(value));
    private readonly Option<float?> _attention = Flag.Of<float?>("--yarn-attn-factor", [], "YaRN: multiplies its factor on attention magnitude", null, value => Numbers.Float(value));
    private readonly Option<float?> _fast = Flag.Of<float?>("--yarn-beta-fast", [], "YaRN: upper bound of the ramp, in rotations", null, value => Numbers.Float(value));
    private readonly Option<float?> _slow = Flag.Of<float?>("--yarn-beta-slow", [], "YaRN: lower bound of the ramp, in rotations", null, value => Numbers.Float(value));

    public void AddTo(Command command)
    {
        foreach (Option option in new Option[] { _scaling, _scale, _frequencyScale, _base, _original, _extension, _attention, _fast, _slow })
            command.Options.Add(option);
    }

    /// <summary>Adds what the flags say to the overrides of the model's configuration.</summary>
    public void Override(ParseResult parsed, string model, Dictionary<string, string> values)
    {
        string? scaling = parsed.GetValue(_scaling);
        float? scale = parsed.GetValue(_scale), attention = parsed.GetValue(_attention), extension = parsed.GetValue(_extension);
        if (parsed.GetValue(_frequencyScale) is float inverse)
        {
            if (scale is not null)
                throw new UsageException($"--rope-scale is {scale} and --rope-freq-scale {1 / inverse} is its inverse; give one of them.");
            scale = inverse;
        }
        object?[] given = [scaling, scale, parsed.GetValue(_base), parsed.GetValue(_original), extension, attention, parsed.GetValue(_fast), parsed.GetValue(_slow)];
        if (given.All(value => value is null))
            return;
        if (scale is not null != scaling is "linear" or "yarn")
            throw new UsageException("--rope-scaling linear or yarn and --rope-scale (or --rope-freq-scale) belong together; give both, such as --rope-scaling yarn --rope-scale 4.");

        var keys = RopeKeys.For(model);
        if (attention is not null && keys.AttentionReplaces)
        {
            if (scaling != "yarn")
                throw new UsageException($"--yarn-attn-factor is {attention} but the scaling is not YaRN; give --rope-scaling yarn and --rope-scale as well.");
            attention *= 0.1f * MathF.Log(scale!.Value) + 1;
        }
        Put(keys.Type, scaling == "none" ? keys.Unscaled : scaling);
        Put(keys.Factor, scale);
        Put(keys.Theta, parsed.GetValue(_base));
        Put(keys.OriginalContext, parsed.GetValue(_original));
        Put(keys.BetaFast, parsed.GetValue(_fast));
        Put(keys.BetaSlow, parsed.GetValue(_slow));
        Put(keys.AttentionFactor, attention);
        if (extension is not null)
            Put(keys.ExtensionFactor ?? throw new UsageException($"--yarn-ext-factor is {extension} but only GGUF files have a key for it; leave it out."), extension);

        void Put(string key, object? value)
        {
            if (value is not null)
                values[key] = Convert.ToString(value, CultureInfo.InvariantCulture)!;
        }
    }

    private static float? Inverse(string value) => Numbers.Float(value) is > 0 and <= 1 and float scale ? 1 / scale : throw new FormatException("above 0 and at most 1, such as 0.25 for a context four times as long");
}
