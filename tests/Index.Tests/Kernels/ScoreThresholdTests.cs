using System.Runtime.Intrinsics;
using Retrieval.Index.Kernels;
using Retrieval.TestKit;
using Xunit;

namespace Retrieval.Index.Tests.Kernels;

public sealed unsafe class ScoreThresholdTests
{
    // A step of 1/128 of the mantissa is at most this; scores between are one class.
    private const double Step = 1 + 1 / 128.0, Filled = 63 / 64.0;

    private delegate float Summation(float* scores, float* weights, int count, float threshold);

    private delegate int Taking(float* scores, int count, float threshold, int first, int* indices, float* taken);

    private delegate float Rest(float* scores, int count, float threshold);

    /// <summary>Odd lengths, and some on both sides of the length from which on a sample is looked at first.</summary>
    public static TheoryData<int> Counts => [.. Shapes.Lengths, 2047, 2048, 2049, 5000, 20_000];

    [Theory]
    [MemberData(nameof(Counts))]
    public void TheLargestScoresFillTheBudgetAndNeverExceedIt(int count)
    {
        foreach (float[] scores in Cases(count))
        {
            foreach (int budget in (int[])[0, 1, 2, 17, count / 8, count / 2, count - 1, count, 2 * count])
                CheckBudget(scores, null, Math.Max(budget, 0));
        }
    }

    [Theory]
    [MemberData(nameof(Counts))]
    public void WeightsCountAgainstTheBudget(int count)
    {
        float[] weights = [.. RandomData.Tokens(count, 90, count).Select(w => w + 1f)];
        foreach (float[] scores in Cases(count))
        {
            foreach (double part in (double[])[0, 0.001, 0.02, 0.3, 0.99, 1, 2])
                CheckBudget(scores, weights, (float)(weights.Sum(w => (double)w) * part));
        }
    }

    /// <summary>Of equal scores all are taken or none; with fewer positive scores than the budget all of those.</summary>
    [Fact]
    public void TiesAreOneClassAndZerosAreNeverTaken()
    {
        Assert.Equal([1, 4], Taken([1, 2, 1, 1, 2, 1, 1], 4));
        Assert.Equal([0, 1, 2, 3, 4, 5, 6], Taken([1, 2, 1, 1, 2, 1, 1], 7));
        Assert.Equal([1, 5], Taken([0, 1e-3f, 0, -0f, 0, 1e-3f], 2));
        Assert.Empty(Taken([0, 1e-3f, 0, -0f, 0, 1e-3f], 1));
        Assert.Empty(Taken(new float[3000], 1));
        Assert.Equal([0], Taken([3], 1));
        Assert.Equal([0], Taken([float.Epsilon], 1));
        Assert.Empty(Taken([3], 0));
        Assert.Empty(Taken([.. Enumerable.Repeat(0.3f, 3000)], 2999));
        Assert.Equal(3000, Taken([.. Enumerable.Repeat(0.3f, 3000)], 3000).Length);
    }

    [Fact]
    public void ExtremeScoresAreOrdered()
    {
        Assert.Equal([1, 2], Taken([1e30f, 3e38f, float.PositiveInfinity, 1], 2));
        Assert.Equal([2], Taken([1e30f, 3e38f, float.PositiveInfinity, 1], 1));
        Assert.Equal([0, 2], Taken([1e-38f, float.Epsilon, 1e-37f], 2));
    }

    /// <summary>A few scores that are larger than all others by any factor do not keep the budget from being spent, if all compete.</summary>
    [Theory]
    [InlineData(1e-13f)]
    [InlineData(1e-30f)]
    public void ABudgetIsSpentHoweverFarBelowTheLargestScoresAre(float small)
    {
        float[] scores = [1e17f, 4e17f, .. Enumerable.Range(1, 3000).Select(i => i * small)];
        Assert.Equal([0, 1], Taken(scores, 770));
        int[] taken = Taken(scores, 770, all: true);
        Assert.InRange(taken.Length, 755, 770);
        Assert.Equal([0, 1, .. Enumerable.Range(3002 - taken.Length + 2, taken.Length - 2)], taken);
    }

    /// <summary>What is left never sums up to more than the limit, and would with one class more.</summary>
    [Theory]
    [MemberData(nameof(Counts))]
    public void TheRestStaysWithinItsLimit(int count)
    {
        foreach (float[] scores in Cases(count))
        {
            double sum = scores.Sum(s => (double)s);
            foreach (double part in (double[])[0, 1e-18, 1e-9, 1e-4, 0.01, 0.2, 0.7, 0.999, 1.001, 3])
                CheckRest(scores, (float)(sum * part));
        }
    }

    /// <summary>Scores far below the largest matter if there are many or if the limit is low.</summary>
    [Fact]
    public void TheRestStaysWithinItsLimitHoweverSmallThat()
    {
        CheckRest([1e10f, .. Enumerable.Repeat(1e-4f, 1000)], 0.05f);
        CheckRest([1e10f, .. Enumerable.Range(0, 1000).Select(i => 1e-4f * (1 + i % 10))], 0.05f);
        CheckRest([1, 1e-20f, 1e-30f], 0);
        CheckRest([1, 1e-20f, 1e-30f], 1e-25f);
    }

    [Theory]
    [MemberData(nameof(Counts))]
    public void SumsAndIndicesByThreshold(int count)
    {
        float[] weights = [.. RandomData.Normal(count, 3).Select(Math.Abs)];
        foreach (float[] scores in Cases(count))
        {
            float[] thresholds = [0, float.Epsilon, 1, float.PositiveInfinity, .. scores.Take(3), .. scores.TakeLast(2)];
            using var guardedScores = new GuardedMemory<float>(scores);
            using var guardedWeights = new GuardedMemory<float>(weights);
            foreach (float threshold in thresholds)
            {
                int[] taken = [.. Enumerable.Range(0, count).Where(i => scores[i] >= threshold)];
                double weight = taken.Sum(i => (double)weights[i]), below = scores.Where(s => s < threshold).Sum(s => (double)s);
                foreach (Summation sum in (Summation[])[ScoreThreshold.SumFrom, ScoreThreshold.SumFromReference])
                {
                    Assert.Equal(taken.Length, sum(guardedScores.Pointer, null, count, threshold));
                    Near(weight, sum(guardedScores.Pointer, guardedWeights.Pointer, count, threshold), sum.Method.Name);
                }
                foreach (Rest sum in (Rest[])[ScoreThreshold.SumBelow, ScoreThreshold.SumBelowReference])
                    Near(below, sum(guardedScores.Pointer, count, threshold), sum.Method.Name);
                using var indices = new GuardedMemory<int>(count);
                Assert.Equal(taken.Length, ScoreThreshold.Collect(guardedScores.Pointer, count, threshold, indices.Pointer));
                Assert.Equal(taken, indices.Span[..taken.Length].ToArray());
                Assert.Equal(taken.Length, ScoreThreshold.TakeReference(guardedScores.Pointer, count, threshold, 0, indices.Pointer, null));
                Assert.Equal(taken, indices.Span[..taken.Length].ToArray());
                using var values = new GuardedMemory<float>(count);
                foreach (Taking take in (Taking[])[ScoreThreshold.Take, ScoreThreshold.TakeReference])
                {
                    Assert.Equal(taken.Length, take(guardedScores.Pointer, count, threshold, 1000, indices.Pointer, values.Pointer));
                    Assert.Equal(taken, indices.Span[..taken.Length].ToArray().Select(i => i - 1000));
                    Assert.Equal(taken.Select(i => scores[i]), values.Span[..taken.Length].ToArray());
                }
            }
        }

        void Near(double expected, float actual, string kernel)
        {
            double allowed = expected * Rounding(count, Vector256.IsHardwareAccelerated && !kernel.EndsWith("Reference", StringComparison.Ordinal));
            if (!(Math.Abs(expected - actual) <= allowed))
                Assert.Fail($"{kernel} of {count}: {actual} where {expected} is right");
        }
    }

    private static IEnumerable<float[]> Cases(int count) =>
    [
        [.. RandomData.Normal(count, 1).Select(MathF.Exp)],
        [.. RandomData.Normal(count, 2).Select(x => MathF.Exp(8 * x))],
        [.. Enumerable.Repeat(0.3f, count)],
        [.. Enumerable.Range(0, count).Select(i => i % 3 == 0 ? 1f : 0.5f)],
        [.. RandomData.Normal(count, 3).Select(x => Math.Max(x, 0))],
        // Its sample of every eighth vector misleads.
        [.. Enumerable.Range(0, count).Select(i => i / 16 % 8 == 0 ? 1f + i : 1 / (1f + i))],
    ];

    private static void CheckBudget(float[] scores, float[]? weights, float budget)
    {
        foreach (bool all in (bool[])[false, true])
            CheckBudget(scores, weights, budget, all);
    }

    private static void CheckBudget(float[] scores, float[]? weights, float budget, bool all)
    {
        float threshold = ForBudget(scores, weights, budget, all);
        double spent = Spent(threshold);
        if (spent > budget)
            Assert.Fail($"{spent} of a budget of {budget}, {scores.Length} scores from {threshold} on");
        if (threshold == float.Epsilon)
            return;
        Assert.True(threshold > float.Epsilon);
        double least = all ? 0 : scores.Max() / Math.Pow(2, 39);
        if (!(spent > budget * Filled || Spent((float)(threshold / Step)) > budget || threshold < least))
            Assert.Fail($"only {spent} of a budget of {budget}, {scores.Length} scores from {threshold} on");

        double Spent(double from) => Enumerable.Range(0, scores.Length).Where(i => scores[i] >= from).Sum(i => weights is null ? 1 : (double)weights[i]);
    }

    private static void CheckRest(float[] scores, float limit)
    {
        using var guardedScores = new GuardedMemory<float>(scores);
        float threshold = ScoreThreshold.ForRest(guardedScores.Pointer, scores.Length, limit);
        double left = Left(threshold), slack = Rounding(scores.Length, Vector256.IsHardwareAccelerated) * limit;
        if (!(left <= limit + slack))
            Assert.Fail($"{left} is left where {limit} may be, {scores.Length} scores below {threshold}");
        if (!float.IsPositiveInfinity(threshold) && !(Left((float)(threshold * Step)) > limit - slack))
            Assert.Fail($"only {left} is left where {limit} may be, {scores.Length} scores below {threshold}");

        double Left(double below) => scores.Where(s => s < below).Sum(s => (double)s);
    }

    private static float ForBudget(float[] scores, float[]? weights, float budget, bool all)
    {
        using var guardedScores = new GuardedMemory<float>(scores);
        using var guardedWeights = new GuardedMemory<float>(weights ?? []);
        return ScoreThreshold.ForBudget(guardedScores.Pointer, weights is null ? null : guardedWeights.Pointer, scores.Length, budget, all);
    }

    private static int[] Taken(float[] scores, int budget, bool all = false)
    {
        float threshold = ForBudget(scores, null, budget, all);
        return [.. Enumerable.Range(0, scores.Length).Where(i => scores[i] >= threshold)];
    }

    /// <summary>What a sum of n float32 numbers, 16 of them side by side, may lose of itself.</summary>
    private static double Rounding(int count, bool vectors) => 1e-6 + count / (vectors ? 16 : 1) * Math.Pow(2, -24);
}
