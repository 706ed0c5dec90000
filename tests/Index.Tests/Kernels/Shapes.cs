using Xunit;

namespace Retrieval.Index.Tests.Kernels;

/// <summary>Sizes at which vectorised loops go wrong: below, at and above multiples of 4, 8, 16 and 64.</summary>
internal static class Shapes
{
    public static readonly int[] Lengths = [0, 1, 7, 8, 15, 16, 17, 31, 33, 63, 64, 65, 100, 1000];

    public static readonly int[] Dims = [8, 16, 24, 64, 80, 128];

    public static TheoryData<int> LengthTheory => [.. Lengths];

    public static TheoryData<int> DimTheory => [.. Dims];

    /// <summary>Equality to some rounding errors of the sum's largest possible partial sum.</summary>
    public static void Near(double expected, float actual, double magnitude, string where)
    {
        double error = Math.Abs(expected - actual), allowed = 3e-6 * magnitude + 1e-30;
        Assert.True(error <= allowed, $"{where}: {actual} where {expected} is right (error {error:g3}, allowed {allowed:g3})");
    }
}
