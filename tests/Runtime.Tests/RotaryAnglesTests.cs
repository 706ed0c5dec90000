using Retrieval.Runtime.Compute;
using Retrieval.Runtime.Models;
using Xunit;

namespace Retrieval.Runtime.Tests;

public sealed class RotaryAnglesTests
{
    [Theory]
    [InlineData(0, 40)]
    [InlineData(13, 5)]
    [InlineData(1_000_003, 50)]
    public void AnglesAreThoseOfTheirPositions(int first, int count)
    {
        var rope = new RopeConfig { Theta = 10_000, Pairs = RopePairs.Halves, Dimensions = 64 };
        float[] inverse = RopeFrequencies.InverseFrequencies(rope, 1);
        RotaryAngles angles = new(rope), steps = new(rope);
        angles.Set(first, count, first + count);
        for (int i = 0; i < count; i++)
        {
            steps.Set(first + i, 1, first + i + 1);
            for (int j = 0; j < inverse.Length; j++)
            {
                (double sin, double cos) = Math.SinCos((double)(first + i) * inverse[j]);
                Assert.Equal(cos, angles.Cos[i * inverse.Length + j], 1e-7);
                Assert.Equal(sin, angles.Sin[i * inverse.Length + j], 1e-7);
                // A token is rotated alike in prefill and in decode.
                Assert.Equal(angles.Cos[i * inverse.Length + j], steps.Cos[j]);
                Assert.Equal(angles.Sin[i * inverse.Length + j], steps.Sin[j]);
            }
        }
    }
}
