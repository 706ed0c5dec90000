using Retrieval.TestKit;
using Xunit;

namespace Retrieval.Index.Tests;

public sealed class BudgetThresholdTests
{
    // A step of the histogram: a sixteenth of an octave.
    private const float Step = 1 + 1 / 16f;

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(17)]
    [InlineData(500)]
    [InlineData(999)]
    [InlineData(1000)]
    [InlineData(100_000)]
    public void TheLargestScoresFillTheBudget(int budget)
    {
        float[][] cases =
        [
            [.. RandomData.Normal(1000, 1).Select(MathF.Exp)],
            [.. RandomData.Normal(1000, 2).Select(x => MathF.Exp(8 * x))],
            [.. Enumerable.Repeat(0.3f, 1000)],
            [.. Enumerable.Range(0, 1000).Select(i => i % 3 == 0 ? 1f : 0.5f)],
        ];
        foreach (float[] scores in cases)
        {
            bool[] taken = Take(scores, budget);
            Assert.Equal(Math.Min(budget, scores.Length), taken.Count(t => t));
            float least = scores.Where((_, i) => taken[i]).DefaultIfEmpty(float.PositiveInfinity).Min();
            float left = scores.Where((_, i) => !taken[i]).DefaultIfEmpty(0).Max();
            Assert.True(left <= least * Step, $"{left} was left out and {least} taken");
        }
    }

    /// <summary>Of equal scores the first are taken.</summary>
    [Fact]
    public void TiesAreTakenInOrder()
    {
        bool[] taken = Take([1, 2, 1, 1, 2, 1, 1], 4);
        Assert.Equal([true, true, true, false, true, false, false], taken);
    }

    [Fact]
    public void WeightsCountAgainstTheBudgetAndAreNeverExceeded()
    {
        float[] scores = [.. RandomData.Normal(300, 3).Select(x => MathF.Exp(3 * x))];
        int[] weights = [.. RandomData.Tokens(300, 90, 4).Select(w => w + 1)];
        foreach (int budget in (int[])[0, 50, 1000, 5000, weights.Sum() - 1, weights.Sum()])
        {
            bool[] taken = Take(scores, budget, weights);
            int spent = weights.Where((_, i) => taken[i]).Sum();
            Assert.InRange(spent, Math.Max(0, Math.Min(budget, weights.Sum()) - 90), budget);
            for (int i = 0; i < 300; i++)
            {
                // Whatever is a step above something taken is taken too.
                if (!taken[i])
                    Assert.DoesNotContain(Enumerable.Range(0, 300), j => taken[j] && scores[j] * Step < scores[i]);
            }
        }
    }

    [Fact]
    public void ZeroIsNeverTaken()
    {
        foreach (int budget in (int[])[0, 3, 1000])
        {
            bool[] taken = Take([0, 1e-3f, 0, -0f, -5, 1e-3f, float.NegativeInfinity], budget);
            Assert.Equal([false, budget > 0, false, false, false, budget > 0, false], taken);
        }
    }

    [Fact]
    public void ExtremeScoresAreOrdered()
    {
        float[] scores = [float.Epsilon, 1e-38f, 1e-20f, 1e-10f, 1, 1e10f, 1e15f, 1e30f, float.MaxValue, float.PositiveInfinity];
        Assert.All(Take(scores, 10), Assert.True);
        // Within a range of 2^-64 … 2^63 to a step; beyond it only as high or low.
        Assert.Equal([false, false, false, false, false, true, true, true, true, true], Take(scores, 5));
        Assert.Equal([false, false, false, true, true, true, true, true, true, true], Take(scores, 7));
        Assert.Equal(3, Take(scores, 3).Count(t => t));
    }

    [Fact]
    public void ClearingForgets()
    {
        var threshold = new BudgetThreshold();
        for (int i = 0; i < 100; i++)
            threshold.Add(1000);
        threshold.Clear();
        threshold.Add(1);
        BudgetCut cut = threshold.Find(1);
        Assert.True(cut.Takes(1));
    }

    private static bool[] Take(float[] scores, int budget, int[]? weights = null)
    {
        var threshold = new BudgetThreshold();
        for (int i = 0; i < scores.Length; i++)
            threshold.Add(scores[i], weights?[i] ?? 1);
        BudgetCut cut = threshold.Find(budget);
        var taken = new bool[scores.Length];
        for (int i = 0; i < scores.Length; i++)
        {
            taken[i] = cut.Takes(scores[i], weights?[i] ?? 1);
            Assert.True(!taken[i] || scores[i] >= cut.Edge);
        }
        return taken;
    }
}
