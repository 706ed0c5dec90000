using Retrieval.Runtime.Models;
using Xunit;

namespace Retrieval.Runtime.Tests.Models;

/// <summary>Rotation speeds against the published formulas, written out again in 64 bits, and points known without them.</summary>
public sealed class RopeFrequenciesTests
{
    private static RopeConfig Rope(RopeScaling scaling, float theta = 10_000, int dimensions = 64, float factor = 4, int original = 2048) => new()
    {
        Theta = theta,
        Pairs = RopePairs.Halves,
        Dimensions = dimensions,
        Scaling = scaling,
        Factor = factor,
        OriginalContext = original,
    };

    private static void Matches(IEnumerable<double> expected, float[] actual)
    {
        double[] values = [.. expected];
        Assert.Equal(values.Length, actual.Length);
        for (int i = 0; i < values.Length; i++)
            Assert.InRange(actual[i], values[i] * (1 - 1e-6), values[i] * (1 + 1e-6));
    }

    [Fact]
    public void PlainSpeedsFallGeometrically()
    {
        float[] speeds = RopeFrequencies.InverseFrequencies(Rope(RopeScaling.None), 1);
        Assert.Equal(32, speeds.Length);
        Assert.Equal(1, speeds[0]);
        Assert.Equal(0.01f, speeds[16], 1e-9f);
        Matches(Enumerable.Range(0, 32).Select(i => 1 / Math.Pow(10_000, 2 * i / 64.0)), speeds);
    }

    [Fact]
    public void LinearDividesAll() =>
        Matches(Enumerable.Range(0, 32).Select(i => Math.Exp(-i / 32.0 * Math.Log(10_000)) / 4), RopeFrequencies.InverseFrequencies(Rope(RopeScaling.Linear), 1));

    [Theory]
    [InlineData(1, 1.0)]
    [InlineData(2048, 1.0)]
    [InlineData(4096, 5.0)] // 4 · 2 − 3
    [InlineData(8192, 13.0)] // 4 · 4 − 3
    public void DynamicGrowsTheBaseWithTheLength(int length, double growth)
    {
        double theta = 10_000 * Math.Pow(growth, 64.0 / 62);
        Matches(Enumerable.Range(0, 32).Select(i => 1 / Math.Pow(theta, i / 32.0)), RopeFrequencies.InverseFrequencies(Rope(RopeScaling.Dynamic), length));
    }

    [Fact]
    public void DynamicDividesTheSlowestPairByTheGrowthItself()
    {
        // The exponent d/(d − 2) is chosen for that.
        float plain = RopeFrequencies.InverseFrequencies(Rope(RopeScaling.Dynamic), 2048)[^1];
        float grown = RopeFrequencies.InverseFrequencies(Rope(RopeScaling.Dynamic), 8192)[^1];
        Assert.Equal(13, plain / grown, 1e-4);
    }

    [Fact]
    public void Llama3LeavesShortWavesDividesLongOnesAndBlendsBetween()
    {
        // The published Llama 3.1 values.
        RopeConfig rope = Rope(RopeScaling.Llama3, 500_000, 128, 8, 8192) with { LowFrequencyFactor = 1, HighFrequencyFactor = 4 };
        float[] speeds = RopeFrequencies.InverseFrequencies(rope, 1);
        var kinds = new HashSet<string>();
        Matches(Enumerable.Range(0, 64).Select(i =>
        {
            double speed = 1 / Math.Pow(500_000, i / 64.0);
            double wave = 2 * Math.PI / speed;
            if (wave < 8192 / 4.0)
            {
                kinds.Add("kept");
                return speed;
            }
            if (wave > 8192 / 1.0)
            {
                kinds.Add("divided");
                return speed / 8;
            }
            kinds.Add("blended");
            double smooth = (8192 / wave - 1) / (4 - 1);
            return (1 - smooth) * speed / 8 + smooth * speed;
        }), speeds);
        Assert.Equal(3, kinds.Count);
        Assert.Equal(1, speeds[0]);
    }

    [Theory]
    [InlineData(10_000, 128, 16, 4096, true)]
    [InlineData(1_000_000, 128, 4, 32_768, true)]
    [InlineData(150_000, 64, 32, 4096, false)]
    [InlineData(10_000, 8, 4, 64, true)]
    public void YarnBlendsBetweenItsBounds(float theta, int dimensions, float factor, int original, bool truncate)
    {
        RopeConfig rope = Rope(RopeScaling.Yarn, theta, dimensions, factor, original) with { WholeBounds = truncate };
        double low = Correction(32), high = Correction(1);
        if (truncate)
        {
            low = Math.Floor(low);
            high = Math.Ceiling(high);
        }
        low = low < 0 ? 0 : low;
        high = high > dimensions - 1 ? dimensions - 1 : high;
        Matches(Enumerable.Range(0, dimensions / 2).Select(i =>
        {
            double extrapolated = 1 / Math.Pow(theta, 2.0 * i / dimensions);
            double interpolated = 1 / (factor * Math.Pow(theta, 2.0 * i / dimensions));
            double ramp = i <= low ? 0 : i >= high ? 1 : (i - low) / (high - low);
            return interpolated * ramp + extrapolated * (1 - ramp);
        }), RopeFrequencies.InverseFrequencies(rope, 1));

        double Correction(double rotations) => dimensions * Math.Log(original / (rotations * 2 * Math.PI)) / (2 * Math.Log(theta));
    }

    [Fact]
    public void YarnKeepsTheFastestPairAndDividesTheSlowest()
    {
        float[] speeds = RopeFrequencies.InverseFrequencies(Rope(RopeScaling.Yarn, 10_000, 128, 16, 4096), 1);
        float[] plain = RopeFrequencies.InverseFrequencies(Rope(RopeScaling.None, 10_000, 128), 1);
        // Bounds 20 and 46: 128 · ln(4096 / 64π) / (2 ln 10000) = 20.94 and 128 · ln(4096 / 2π) / (2 ln 10000) = 45.03.
        Assert.Equal(plain[..21], speeds[..21]);
        Assert.NotEqual(plain[21], speeds[21]);
        Assert.NotEqual(plain[45] / 16, speeds[45]);
        for (int i = 46; i < 64; i++)
            Assert.Equal(plain[i] / 16, speeds[i], 1e-12f);
    }

    [Fact]
    public void MagnitudeIsYarnsAlone()
    {
        Assert.Equal(1, RopeFrequencies.Magnitude(Rope(RopeScaling.Linear)));
        Assert.Equal(1.1386294f, RopeFrequencies.Magnitude(Rope(RopeScaling.Yarn)), 1e-6f); // 0.1 ln 4 + 1
        Assert.Equal(1, RopeFrequencies.Magnitude(Rope(RopeScaling.Yarn, factor: 1)));
        Assert.Equal(0.7f, RopeFrequencies.Magnitude(Rope(RopeScaling.Yarn) with { AttentionFactor = 0.7f }));
    }

    [Fact]
    public void DivisorsOfGgufComeOnTop()
    {
        RopeConfig rope = Rope(RopeScaling.None, dimensions: 4) with { FrequencyDivisors = [1, 8] };
        Assert.Equal([1, 0.01f / 8], RopeFrequencies.InverseFrequencies(rope, 1));
    }
}
