using System.CommandLine;
using System.Globalization;

namespace Retrieval.Cli.Flags;

/// <summary>
/// RoPE scaling by llama.cpp's names, handed on as overrides of the keys that config.json has: rope_theta and
/// rope_scaling.{rope_type, factor, original_max_position_embeddings, attention_factor, beta_fast, beta_slow}.
/// </summary>
internal sealed class RopeFlags
{
    private readonly Option<string?> _scaling = Flag.Choice<string?>("--rope-scaling", [], "RoPE scaling instead of the model's own", null,
        ("none", "default"), ("linear", "linear"), ("yarn", "yarn"));

    private readonly Option<float?> _scale = Flag.Of<float?>("--rope-scale", [], "RoPE scaling factor: how many times longer the context becomes", null, value => Numbers.Float(value));
    private readonly Option<float?> _base = Flag.Of<float?>("--rope-freq-base", [], "RoPE base frequency (theta)", null, value => Numbers.Float(value));
    private readonly Option<int?> _original = Flag.Of<int?>("--yarn-orig-ctx", [], "YaRN: context before scaling", null, value => Numbers.Tokens(value));
    private readonly Option<float?> _attention = Flag.Of<float?>("--yarn-attn-factor", [], "YaRN: factor on attention magnitude", null, value => Numbers.Float(value));
    private readonly Option<float?> _fast = Flag.Of<float?>("--yarn-beta-fast", [], "YaRN: upper bound of the ramp, in rotations", null, value => Numbers.Float(value));
    private readonly Option<float?> _slow = Flag.Of<float?>("--yarn-beta-slow", [], "YaRN: lower bound of the ramp, in rotations", null, value => Numbers.Float(value));

    public void AddTo(Command command)
    {
        foreach (Option option in new Option[] { _scaling, _scale, _base, _original, _attention, _fast, _slow })
            command.Options.Add(option);
    }

    public void Override(ParseResult parsed, Dictionary<string, string> values)
    {
        Put("rope_scaling.rope_type", parsed.GetValue(_scaling));
        Put("rope_scaling.factor", Text(parsed.GetValue(_scale)));
        Put("rope_theta", Text(parsed.GetValue(_base)));
        Put("rope_scaling.original_max_position_embeddings", Text(parsed.GetValue(_original)));
        Put("rope_scaling.attention_factor", Text(parsed.GetValue(_attention)));
        Put("rope_scaling.beta_fast", Text(parsed.GetValue(_fast)));
        Put("rope_scaling.beta_slow", Text(parsed.GetValue(_slow)));

        void Put(string key, string? value)
        {
            if (value is not null)
                values[key] = value;
        }
    }

    private static string? Text(IFormattable? value) => value?.ToString(null, CultureInfo.InvariantCulture);
}
