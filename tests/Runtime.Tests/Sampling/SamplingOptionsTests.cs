using System.Text.Json;
using Retrieval.Runtime.Sampling;
using Xunit;

namespace Retrieval.Runtime.Tests.Sampling;

public sealed class SamplingOptionsTests
{
    public static TheoryData<SamplingOptions, string> Wrong => new()
    {
        { new() { Temperature = -0.5f }, "temperature is -0.5" },
        { new() { Temperature = float.NaN }, "temperature is NaN" },
        { new() { TopK = -2 }, "top-k is -2" },
        { new() { TopP = 0 }, "top-p is 0" },
        { new() { TopP = 1.01f }, "top-p is 1.01" },
        { new() { TopP = float.NaN }, "top-p is NaN" },
        { new() { MinP = -0.1f }, "min-p is -0.1" },
        { new() { MinP = 1.5f }, "min-p is 1.5" },
        { new() { RepeatPenalty = 0 }, "penalty is 0" },
        { new() { RepeatPenalty = -1 }, "penalty is -1" },
        { new() { RepeatLast = -1 }, "looks at -1 tokens" },
    };

    [Theory]
    [MemberData(nameof(Wrong))]
    public void ValuesOutOfRangeAreRefusedWithTheValue(SamplingOptions options, string inMessage)
    {
        Assert.Contains(inMessage, Assert.Throws<InputException>(options.Validate).Message);
        Assert.Throws<InputException>(() => new Sampler(options));
    }

    [Fact]
    public void TheEndsOfTheRangesAreAllowed()
    {
        new SamplingOptions().Validate();
        new SamplingOptions { Temperature = 0, TopK = 0, TopP = 1, MinP = 0, RepeatPenalty = 0.01f, RepeatLast = 0 }.Validate();
        new SamplingOptions { Temperature = 100, TopK = int.MaxValue, TopP = 1e-6f, MinP = 1 }.Validate();
        new SamplingOptions { RepeatPenalty = 10, RepeatLast = int.MaxValue }.Validate();
    }

    [Fact]
    public void JsonKeepsEveryOption()
    {
        var options = new SamplingOptions
        {
            Temperature = 0.7f,
            TopK = 40,
            TopP = 0.9f,
            MinP = 0.05f,
            RepeatPenalty = 1.1f,
            RepeatLast = 32,
            Seed = -7,
        };
        Assert.Equal(options, JsonSerializer.Deserialize<SamplingOptions>(JsonSerializer.Serialize(options)));
        Assert.Equal(new SamplingOptions(), JsonSerializer.Deserialize<SamplingOptions>("{}"));
    }
}
