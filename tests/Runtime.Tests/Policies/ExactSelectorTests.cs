using Retrieval.Runtime.Policies;
using Retrieval.TestKit;
using Xunit;

namespace Retrieval.Runtime.Tests.Policies;

public sealed class ExactSelectorTests : TokenSelectorTests
{
    private protected override RetrievalPolicy Small => new ExactPolicy { Sinks = Sinks, Window = 8, Budget = 50 };

    private protected override int SmallBudget => 50;

    private protected override RetrievalPolicy Everything(int length) => new ExactPolicy { Sinks = 3, Window = 5, Budget = length };

    /// <summary>Rows by attention weight among the far rows, summed over the group, against a double computation.</summary>
    [Theory]
    [InlineData(30)]
    [InlineData(50)]
    [InlineData(1000)]
    public void ReadsTheRowsOfLargestWeightOfEachKvHead(int far)
    {
        using ITokenSelector selector = Create();
        selector.Prefill(far, NoQueries);
        Selection selection = Select(selector);
        for (int head = 0; head < KvHeads; head++)
        {
            double[] weight = Weights(head, far);
            int[] rows = Chosen(selector, selection, head, far);
            Assert.Equal(Math.Min(far, 50), rows.Length);
            double last = weight.OrderDescending().ElementAt(rows.Length - 1);
            Assert.All(rows, row => Assert.True(weight[row - Sinks] >= last * (1 - 1e-4)));
        }
        if (far > 50)
            Assert.NotEqual(Chosen(selector, selection, 0, far), Chosen(selector, selection, 1, far));
    }

    [Fact]
    public void ABudgetBringsItCloserToFullAttentionThanNone()
    {
        using Engine engine = Logits.LoadRecallNano();
        int[] tokens = RandomData.Tokens(700, engine.Config.Vocabulary, 8);
        float[] full = Logits.Of(engine, new FullPolicy(), tokens)[0];
        double[] error = [.. ((int[])[1, 64, 600]).Select(budget =>
            Logits.Distance(full, Logits.Of(engine, new ExactPolicy { Sinks = 4, Window = 16, Budget = budget }, tokens)[0]))];
        double none = Logits.Distance(full, Logits.Of(engine, new StreamingPolicy { Sinks = 4, Window = 16 }, tokens)[0]);
        Assert.True(
            error[0] < none && error[1] < error[0] / 10 && error[2] < error[0] / 10,
            $"streaming {none:g3}, then {string.Join(", ", error.Select(e => e.ToString("g3")))}");
    }

    private double[] Weights(int head, int far)
    {
        var sum = new double[far];
        for (int g = 0; g < Group; g++)
        {
            var logits = new double[far];
            for (int row = 0; row < far; row++)
            {
                for (int i = 0; i < Dim; i++)
                    logits[row] += Queries[(head * Group + g) * Dim + i] * (double)(Half)Keys[((Sinks + row) * KvHeads + head) * Dim + i];
            }
            double total = logits.Sum(Math.Exp);
            for (int row = 0; row < far; row++)
                sum[row] += Math.Exp(logits[row]) / total;
        }
        return sum;
    }
}
