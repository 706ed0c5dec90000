using Retrieval.Index;
using Retrieval.Runtime;
using Retrieval.Scenarios.Frontier;
using Xunit;

namespace Retrieval.Bench.Tests;

public sealed class IvfPqPointTests
{
    [Fact]
    public void Budgets_are_read() => Assert.Equal(
        [new IvfPqPoint(new CascadeBudget(3000, 128, 96)), new IvfPqPoint(new CascadeBudget(int.MaxValue, 4096, 2048)), new IvfPqPoint(new CascadeBudget(256, 24, 16) { Lists = 1024 })],
        IvfPqPoint.Parse("3000,128,96; all,4096,2048;256,24,16,1024"));

    [Theory]
    [InlineData("3000,128")]
    [InlineData("3000,128,96,1,1")]
    [InlineData("3000,128,96,0")]
    [InlineData("3000,0,96")]
    [InlineData("3000,all,96")]
    [InlineData("-1,128,96")]
    public void Other_budgets_are_refused(string text)
        => Assert.Contains(text, Assert.Throws<InputException>(() => IvfPqPoint.Parse(text)).Message, StringComparison.Ordinal);
}
