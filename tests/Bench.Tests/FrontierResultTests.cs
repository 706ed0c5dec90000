using Retrieval.Scenarios.Frontier;
using Xunit;

namespace Retrieval.Bench.Tests;

public sealed class FrontierResultTests
{
    [Theory]
    [InlineData(0, 1)]
    [InlineData(0.5, 3)]
    [InlineData(0.95, 4.8)]
    [InlineData(1, 5)]
    public void Quantiles_are_linear_between_neighbours(double share, double expected)
        => Assert.Equal(expected, FrontierResult.Quantile([4, 1, 5, 2, 3], share), 1e-6);

    [Fact]
    public void One_value_is_every_quantile() => Assert.Equal(7, FrontierResult.Quantile([7], 0.95));

    [Fact]
    public void Files_are_pooled_error_by_error()
    {
        var pooled = FrontierResult.Pool([new("a", "m", 2, [0, 0, 0, 0]), new("b", "m", 4, [1, 1, 1, 1])]);
        Assert.Equal((3, 0.5, 1), (pooled.BytesPct, pooled.MeanError, pooled.P95Error));
    }
}
