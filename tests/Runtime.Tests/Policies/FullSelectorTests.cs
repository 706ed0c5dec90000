using Retrieval.Runtime.Policies;
using Xunit;

namespace Retrieval.Runtime.Tests.Policies;

public sealed class FullSelectorTests : TokenSelectorTests
{
    private protected override RetrievalPolicy Small => new FullPolicy { Sinks = Sinks, Window = 8 };

    private protected override int SmallBudget => int.MaxValue;

    private protected override RetrievalPolicy Everything(int length) => new FullPolicy { Sinks = 3, Window = 1 };

    [Fact]
    public void ChoosesEveryRow()
    {
        using ITokenSelector selector = Create();
        selector.Prefill(10, NoQueries);
        Assert.Equal(Enumerable.Range(Sinks, 10), Chosen(selector, Select(selector), 0, 10));
    }
}
