using Retrieval.TestKit;
using Xunit;

namespace Retrieval.Index.Tests.IvfPq;

public sealed class SubspaceCutsTests
{
    /// <summary>Against all cuts, their distortion computed another way.</summary>
    [Theory]
    [InlineData(4, 2)]
    [InlineData(7, 3)]
    [InlineData(8, 2)]
    [InlineData(10, 4)]
    [InlineData(12, 6)]
    public void NoOtherCutIsBetter(int dim, int subspaces)
    {
        foreach (double decay in (double[])[1, 0.9, 0.5, 0.01])
        {
            double[] random = [.. RandomData.Normal(dim, dim).Select(x => 1 + 0.1 * Math.Abs(x))];
            double[] variances = [.. random.Select((x, i) => x * Math.Pow(decay, i)).OrderDescending()];
            int[] starts = SubspaceCuts.Choose(variances, subspaces);
            AssertCuts(starts, dim, subspaces);
            double best = AllCuts(dim, subspaces).Min(cuts => Total(variances, cuts));
            Assert.Equal(best, Total(variances, starts), 1e-9 * variances.Sum());
        }
    }

    [Theory]
    [InlineData(64, 16)]
    [InlineData(80, 20)]
    [InlineData(128, 32)]
    public void FallingVariancesGiveNarrowSubspacesFirst(int dim, int subspaces)
    {
        double[] variances = [.. Enumerable.Range(0, dim).Select(i => Math.Pow(0.93, i))];
        int[] starts = SubspaceCuts.Choose(variances, subspaces);
        AssertCuts(starts, dim, subspaces);
        Assert.True(starts[1] < dim / subspaces && starts[^1] - starts[^2] > dim / subspaces);
        int[] even = [.. Enumerable.Range(0, subspaces + 1).Select(s => s * dim / subspaces)];
        Assert.True(Total(variances, starts) < 0.8 * Total(variances, even));
    }

    [Fact]
    public void EqualVariancesAreCutEvenly()
        => Assert.Equal(Enumerable.Range(0, 17).Select(s => 4 * s), SubspaceCuts.Choose([.. Enumerable.Repeat(0.7, 64)], 16));

    [Theory]
    [InlineData(1, 2)]
    [InlineData(3, 6)]
    public void WithFewAxesEachHasASubspaceOfItsOwn(int dim, int subspaces)
    {
        int[] starts = SubspaceCuts.Choose([.. Enumerable.Range(1, dim).Select(i => 1.0 / i)], subspaces);
        AssertCuts(starts, dim, subspaces);
        Assert.All(Enumerable.Range(0, subspaces), s => Assert.InRange(starts[s + 1] - starts[s], 0, 1));
    }

    [Fact]
    public void AxesWithoutVarianceAreCoveredToo()
    {
        AssertCuts(SubspaceCuts.Choose(new double[64], 16), 64, 16);
        double[] variances = [.. Enumerable.Range(0, 64).Select(i => i < 5 ? 1.0 : 0)];
        int[] starts = SubspaceCuts.Choose(variances, 16);
        AssertCuts(starts, 64, 16);
        Assert.Equal(5 / 256.0, Total(variances, starts), 1e-9);
    }

    private static void AssertCuts(int[] starts, int dim, int subspaces)
    {
        Assert.Equal(subspaces + 1, starts.Length);
        Assert.Equal((0, dim), (starts[0], starts[^1]));
        Assert.Equal(starts.Order(), starts);
    }

    private static IEnumerable<int[]> AllCuts(int dim, int subspaces)
    {
        if (subspaces == 1)
            return [[0, dim]];
        return Enumerable.Range(0, dim + 1).SelectMany(end => AllCuts(end, subspaces - 1).Select(cuts => (int[])[.. cuts, dim]));
    }

    private static double Total(double[] variances, int[] starts)
        => Enumerable.Range(0, starts.Length - 1).Sum(s => Distortion(variances[starts[s]..starts[s + 1]]));

    /// <summary>Reverse water-filling by bisection over the level: Σ min(θ, v) where Σ ½ log₂(v/θ)⁺ is 4 bits.</summary>
    private static double Distortion(double[] variances)
    {
        double low = -200, high = 20;
        for (int i = 0; i < 100; i++)
        {
            double middle = (low + high) / 2;
            double bits = variances.Where(v => v > 0).Sum(v => Math.Max(0, (Math.Log2(v) - middle) / 2));
            (low, high) = bits > 4 ? (middle, high) : (low, middle);
        }
        return variances.Sum(v => Math.Min(v, Math.Pow(2, low)));
    }
}
