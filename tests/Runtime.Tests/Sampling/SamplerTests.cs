using Retrieval.Runtime.Sampling;
using Retrieval.TestKit;
using Xunit;

namespace Retrieval.Runtime.Tests.Sampling;

public sealed class SamplerTests
{
    /// <summary>Five tokens, out of order: probabilities .1, .4, .05, .3, .15.</summary>
    private static readonly float[] Five = [.. ((double[])[.1, .4, .05, .3, .15]).Select(p => (float)Math.Log(p) + 3)];

    [Fact]
    public void TemperatureZeroTakesTheLikeliestAndTheLowestAmongEquals()
    {
        var sampler = new Sampler(new SamplingOptions { TopK = 3, TopP = 0.1f, MinP = 0.5f, Seed = 1 });
        Assert.Equal(1, sampler.Sample(Five));
        Assert.Equal(2, sampler.Sample([-1, 0, 5, 5, 5, -3]));
        Assert.Equal(0, sampler.Sample([2, 2]));
    }

    /// <summary>Expected probabilities computed by hand from .4, .3, .15, .1, .05.</summary>
    public static TheoryData<string, SamplingOptions, double[]> Distributions => new()
    {
        { "plain", new() { Temperature = 1 }, [.1, .4, .05, .3, .15] },
        { "cold: squares .16 .09 .0225 .01 .0025 of .285", new() { Temperature = 0.5f }, [.0351, .5614, .0088, .3158, .0789] },
        { "hot: roots .6325 .5477 .3873 .3162 .2236 of 2.1073", new() { Temperature = 2 }, [.1501, .3001, .1061, .2599, .1838] },
        { "top 2", new() { Temperature = 1, TopK = 2 }, [0, .5714, 0, .4286, 0] },
        { "top 1", new() { Temperature = 1, TopK = 1 }, [0, 1, 0, 0, 0] },
        { "top 99", new() { Temperature = 1, TopK = 99 }, [.1, .4, .05, .3, .15] },
        { "nucleus .39", new() { Temperature = 1, TopP = .39f }, [0, 1, 0, 0, 0] },
        { "nucleus .41", new() { Temperature = 1, TopP = .41f }, [0, .5714, 0, .4286, 0] },
        { "nucleus .71", new() { Temperature = 1, TopP = .71f }, [0, .4706, 0, .3529, .1765] },
        { "nucleus .96", new() { Temperature = 1, TopP = .96f }, [.1, .4, .05, .3, .15] },
        { "min-p .3 of .4 is .12", new() { Temperature = 1, MinP = .3f }, [0, .4706, 0, .3529, .1765] },
        { "min-p 1", new() { Temperature = 1, MinP = 1 }, [0, 1, 0, 0, 0] },
        { "top 3 first, so the nucleus .8 is .4/.85 + .3/.85", new() { Temperature = 1, TopK = 3, TopP = .8f }, [0, .5714, 0, .4286, 0] },
        { "hot first, so the nucleus .69 has three", new() { Temperature = 2, TopP = .69f }, [0, .4034, 0, .3494, .2471] },
        { "hot first, so min-p .3 keeps .2236 / .6325", new() { Temperature = 2, MinP = .3f }, [.1501, .3001, .1061, .2599, .1838] },
    };

    [Theory]
    [MemberData(nameof(Distributions))]
    public void DrawsFollowTheDistribution(string what, SamplingOptions options, double[] expected)
    {
        const int Draws = 40_000;
        var sampler = new Sampler(options with { Seed = 11 });
        var counts = new int[expected.Length];
        for (int i = 0; i < Draws; i++)
            counts[sampler.Sample(Five)]++;
        for (int token = 0; token < expected.Length; token++)
        {
            // Five standard deviations and the rounding of the expectations; impossible tokens never.
            double p = expected[token], allowed = p == 0 ? 0 : 5 * Math.Sqrt(p * (1 - p) / Draws) + 1e-4;
            double share = counts[token] / (double)Draws;
            Assert.True(Math.Abs(share - p) <= allowed, $"{what}: token {token} came with {share:p2}, expected {p:p2}");
        }
    }

    [Fact]
    public void ASeedDeterminesTheTokens()
    {
        float[] logits = RandomData.Normal(1000, 1);
        Assert.Equal(Draw(5), Draw(5));
        Assert.NotEqual(Draw(5), Draw(6));
        Assert.NotEqual(Draw(null), Draw(null));

        List<int> Draw(int? seed)
        {
            var sampler = new Sampler(new SamplingOptions { Temperature = 1, Seed = seed });
            return [.. Enumerable.Range(0, 50).Select(_ => sampler.Sample(logits))];
        }
    }

    [Theory]
    [InlineData(1.9f, 0)] // 2 / 1.9 = 1.05 > 1
    [InlineData(2.1f, 1)] // 2 / 2.1 = 0.95 < 1
    public void ThePenaltyDividesPositiveLogits(float penalty, int expected)
        => Assert.Equal(expected, Penalized(penalty, [0], [2, 1]));

    [Theory]
    [InlineData(1.4f, 0)] // −1 · 1.4 > −1.5
    [InlineData(1.6f, 1)] // −1 · 1.6 < −1.5
    public void ThePenaltyMultipliesNegativeLogits(float penalty, int expected)
        => Assert.Equal(expected, Penalized(penalty, [0], [-1, -1.5f]));

    [Fact]
    public void ThePenaltyBelowOneFavoursWhatWasSaid() => Assert.Equal(1, Penalized(0.5f, [1], [1.5f, 1]));

    [Fact]
    public void ATokenIsPenalizedOnceHoweverOftenItCame() => Assert.Equal(0, Penalized(1.5f, [0, 0, 0, 0], [2, 1.2f]));

    [Fact]
    public void ThePenaltyForgetsOldTokens()
    {
        Assert.Equal(0, Penalized(3, [0, 1, 2], [2, 1, 1, 1], last: 2));
        Assert.Equal(3, Penalized(3, [0, 1, 2], [2, 1, 1, 1], last: 3));
        Assert.Equal(0, Penalized(3, [0, 1, 2], [2, 1, 1, 1], last: 0));
    }

    [Fact]
    public void ThePenaltyComesBeforeTheTemperature()
    {
        var sampler = new Sampler(new SamplingOptions { Temperature = 1, TopK = 1, RepeatPenalty = 3, Seed = 1 });
        sampler.Accept(1);
        Assert.Equal(3, sampler.Sample(Five));
    }

    [Fact]
    public void TheLogitsAreNotChanged()
    {
        float[] logits = [.. Five];
        var sampler = new Sampler(new SamplingOptions { Temperature = 0.7f, TopK = 3, RepeatPenalty = 3, Seed = 1 });
        sampler.Accept(1);
        sampler.Sample(logits);
        Assert.Equal(Five, logits);
    }

    [Theory]
    [InlineData(1f)]
    [InlineData(1e-30f)]
    [InlineData(1e30f)]
    public void ExtremeLogitsAndTemperaturesGiveTokens(float temperature)
    {
        var sampler = new Sampler(new SamplingOptions { Temperature = temperature, Seed = 1 });
        float[] logits = [float.NegativeInfinity, -1e30f, 1e30f, 1e30f, float.NegativeInfinity];
        for (int i = 0; i < 200; i++)
            Assert.InRange(sampler.Sample(logits), 1, 3);
        Assert.Equal(0, sampler.Sample([5]));
    }

    private static int Penalized(float penalty, int[] accepted, float[] logits, int last = 64)
    {
        var sampler = new Sampler(new SamplingOptions { RepeatPenalty = penalty, RepeatLast = last });
        foreach (int token in accepted)
            sampler.Accept(token);
        return sampler.Sample(logits);
    }
}
