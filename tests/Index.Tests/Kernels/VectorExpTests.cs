using System.Runtime.Intrinsics;
using Retrieval.Index.Kernels;
using Xunit;

namespace Retrieval.Index.Tests.Kernels;

public sealed class VectorExpTests
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
}
