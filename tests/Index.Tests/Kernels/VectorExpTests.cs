using System.Runtime.Intrinsics;
using Retrieval.Index.Kernels;
using Retrieval.TestKit;
using Xunit;

namespace Retrieval.Index.Tests.Kernels;

public sealed unsafe class VectorExpTests
{
    [Fact]
    public void ErrorStaysBelowTwoUnitsOfTheLastPlace()
    {
        const int Steps = 175 * 1024;
        double worst = 0;
        for (int i = 0; i < Steps; i += 16)
        {
            Vector512<float> x = Vector512.Create([.. Enumerable.Range(i, 16).Select(n => -87f + n / 1024f)]);
            Vector512<float> result = VectorExp.Exp(x);
            for (int lane = 0; lane < 16; lane++)
                worst = Math.Max(worst, Math.Max(Ulps(result[lane], x[lane]), Ulps(VectorExp.Exp(x[lane]), x[lane])));
        }
        Assert.InRange(worst, 0, 2);

        static double Ulps(float actual, float x)
        {
            double exact = Math.Exp(x);
            return Math.Abs(actual - exact) / (MathF.BitIncrement((float)exact) - (float)exact);
        }
    }

    [Theory]
    [InlineData(0f, 1f)]
    [InlineData(-87.01f, 0f)]
    [InlineData(-1000f, 0f)]
    [InlineData(float.MinValue, 0f)]
    [InlineData(float.NegativeInfinity, 0f)]
    public void EndsAreExact(float x, float expected)
    {
        Assert.Equal(expected, VectorExp.Exp(x));
        Assert.Equal(Vector512.Create(expected), VectorExp.Exp(Vector512.Create(x)));
    }

    /// <summary>Every eighth of a thousandth from −87 to 88.</summary>
    [Fact]
    public void TheApproximationKeepsToItsBound()
    {
        double worst = 0;
        for (int i = -8192 * 87; i < 8192 * 88; i += 16)
        {
            Vector512<float> x = (Vector512.Create((float)i) + Vector512<float>.Indices) / 8192, result = VectorExp.Approximate(x);
            for (int lane = 0; lane < 16; lane++)
                worst = Math.Max(worst, Math.Abs(result[lane] / Math.Exp(x[lane]) - 1));
        }
        Assert.InRange(worst, 0, 4e-6);
    }

    [Theory]
    [InlineData(-87.01f)]
    [InlineData(-1000f)]
    [InlineData(float.MinValue)]
    [InlineData(float.NegativeInfinity)]
    public void TheApproximationOfNothingIsNothing(float x)
    {
        Assert.Equal(Vector512<float>.Zero, VectorExp.Approximate(Vector512.Create(x)));
        Assert.InRange(VectorExp.Approximate(Vector512.Create(-87f))[3], MathF.Exp(-87) * (1 - 4e-6f), MathF.Exp(-87) * (1 + 4e-6f));
        Assert.InRange(VectorExp.Approximate(Vector512.Create(88f))[3], MathF.Exp(88) * (1 - 4e-6f), MathF.Exp(88) * (1 + 4e-6f));
    }

    /// <summary>Every eighth of a thousandth from −87 to 88: within 4 %, and where exponents are spread evenly, as much too high as too low.</summary>
    [Fact]
    public void TheRoughExponentialKeepsToItsBoundAndIsRightOnAverage()
    {
        double least = 1, most = 1, sum = 0;
        for (int i = -8192 * 87; i < 8192 * 88; i += 16)
        {
            Vector512<float> x = (Vector512.Create((float)i) + Vector512<float>.Indices) / 8192, result = VectorExp.Rough(x);
            for (int lane = 0; lane < 16; lane++)
            {
                Assert.Equal(VectorExp.Rough(x[lane]), result[lane]);
                double ratio = result[lane] / Math.Exp(x[lane]);
                (least, most, sum) = (Math.Min(least, ratio), Math.Max(most, ratio), sum + ratio);
            }
        }
        Assert.InRange(least, 0.96, 1);
        Assert.InRange(most, 1, 1.04);
        Assert.Equal(1, sum / (8192 * 175), 1e-3);
    }

    [Theory]
    [InlineData(-88.1f)]
    [InlineData(float.MinValue)]
    [InlineData(float.NegativeInfinity)]
    public void TheRoughExponentialOfNothingIsNothing(float x)
    {
        Assert.Equal(0, VectorExp.Rough(x));
        Assert.Equal(Vector512<float>.Zero, VectorExp.Rough(Vector512.Create(x)));
    }

    private delegate float Sharing(float* logits, int count, float shift);

    [Theory]
    [MemberData(nameof(Shapes.LengthTheory), MemberType = typeof(Shapes))]
    public void SharesAreExponentialsAboveAShiftAndTheirSum(int count)
    {
        foreach (float shift in (float[])[0, 17.5f, -60, 1e6f])
        {
            float[] logits = [.. RandomData.Normal(count, count, 9).Select(x => x + shift)];
            for (int i = 3; i < count; i += 7)
                logits[i] = i % 2 == 0 ? float.NegativeInfinity : shift - 90;
            foreach ((Sharing share, double error) in ((Sharing, double)[])[(VectorExp.Shares, 3e-7), (VectorExp.SharesReference, 3e-7), (VectorExp.ApproximateShares, 4e-6)])
            {
                using var memory = new GuardedMemory<float>(logits);
                float sum = share(memory.Pointer, count, shift);
                double expectedSum = 0;
                for (int i = 0; i < count; i++)
                {
                    float x = logits[i] - shift;
                    double expected = x < -87 ? 0 : Math.Exp(x);
                    Assert.InRange(memory.Span[i], expected * (1 - error), expected * (1 + error));
                    expectedSum += expected;
                }
                Assert.Equal(expectedSum, sum, Math.Max(3e-6, error) * expectedSum + 1e-30);
            }
        }
    }
}
