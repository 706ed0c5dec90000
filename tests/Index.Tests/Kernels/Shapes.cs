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
        if (!IsNear(expected, actual, magnitude))
            Assert.Fail($"{where}: {actual} where {expected} is right (error {Math.Abs(expected - actual):g3}, allowed {Allowed(magnitude):g3})");
    }

    public static bool IsNear(double expected, float actual, double magnitude) => Math.Abs(expected - actual) <= Allowed(magnitude);

    private static double Allowed(double magnitude) => 3e-6 * magnitude + 1e-30;
}
