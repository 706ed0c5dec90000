using System.CommandLine;
using Retrieval.Runtime;
using Retrieval.Runtime.Sampling;

namespace Retrieval.Cli.Flags;

/// <summary>How tokens are drawn and when generation ends.</summary>
internal sealed class GenerationFlags
{
    private readonly Option<int> _maxTokens = Flag.Of("--max-tokens", ["-n", "--predict"], "Most tokens to generate", 256, value => Numbers.Int(value, 1));
    private readonly Option<float> _temperature = Flag.Of("--temp", ["--temperature"], "Temperature; 0: always the likeliest token", 0f, Numbers.Float);
    private readonly Option<int> _topK = Flag.Of("--top-k", [], "Draw from the k likeliest tokens; 0: all", 0, value => Numbers.Int(value, 0));
    private readonly Option<float> _topP = Flag.Of("--top-p", [], "Draw from the likeliest tokens that sum to this; 1: all", 1f, Numbers.Float);
    private readonly Option<float> _minP = Flag.Of("--min-p", [], "Drop tokens less likely than this times the likeliest; 0: none", 0f, Numbers.Float);
    private readonly Option<float> _penalty = Flag.Of("--repeat-penalty", [], "Make recent tokens less likely; 1: off", 1f, Numbers.Float);
    private readonly Option<int?> _seed = Flag.Of<int?>("--seed", ["-s"], "Seed of the draw; default: another one each time", null, value => Numbers.Int(value, int.MinValue));
    private readonly Option<string[]> _stop = Flag.Repeatable("--stop", [], "Text that ends generation (repeatable)", "TEXT");
    private readonly Option<bool> _ignoreEnd = Flag.Switch("--ignore-eos", [], "Go on past the model's end token");

    public void AddTo(Command command)
    {
        foreach (Option option in new Option[] { _maxTokens, _temperature, _topK, _topP, _minP, _penalty, _seed, _stop, _ignoreEnd })
            command.Options.Add(option);
    }

    public GenerationOptions Read(ParseResult parsed)
    {
        var sampling = new SamplingOptions
        {
            Temperature = parsed.GetValue(_temperature),
            TopK = parsed.GetValue(_topK),
            TopP = parsed.GetValue(_topP),
            MinP = parsed.GetValue(_minP),
            RepeatPenalty = parsed.GetValue(_penalty),
            Seed = parsed.GetValue(_seed),
        };
        UsageException.Check(sampling.Validate);
        string[] stop = parsed.GetValue(_stop) ?? [];
        if (stop.Any(text => text.Length == 0))
            throw new UsageException("--stop is empty; give the text that ends generation, or leave it out.");
        return new GenerationOptions
        {
            MaxTokens = parsed.GetValue(_maxTokens),
            Sampling = sampling,
            Stop = stop,
            IgnoreEnd = parsed.GetValue(_ignoreEnd),
        };
    }
}
