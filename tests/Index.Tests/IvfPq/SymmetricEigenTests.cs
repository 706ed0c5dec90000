using Retrieval.TestKit;
using Xunit;

namespace Retrieval.Index.Tests.IvfPq;

public sealed class SymmetricEigenTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(16)]
    [InlineData(64)]
    [InlineData(128)]
    public void RandomMatricesOfAnySizeAndScale(int n)
    {
        foreach (double scale in (double[])[1, 1e-12, 1e9])
        {
            double[,] symmetric = Symmetric(n);
            Check(Matrix(n, (i, j) => scale * symmetric[i, j]));
            Check(Covariance(n, n / 2 + 1, scale));
        }
    }

    /// <summary>The shapes on which iterations stall or divide by zero.</summary>
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(5)]
    [InlineData(64)]
    public void DegenerateMatrices(int n)
    {
        double[][] values =
        [
            Check(Matrix(n, (_, _) => 0)),
            Check(Matrix(n, (i, j) => i == j ? 1 : 0)),
            Check(Matrix(n, (_, _) => 1)),
            Check(Matrix(n, (i, j) => i == j ? i % 3 : 0)),
            Check(Matrix(n, (i, j) => i == j ? Math.Pow(10, -i % 15) : 0)),
            Check(Matrix(n, (i, j) => Math.Abs(i - j) == 1 ? 1 : 0)),
            Check(Matrix(n, (i, j) => i / 2 == j / 2 ? 2 : 0)),
        ];
        Assert.All(values[0], value => Assert.Equal(0, value));
        Assert.All(values[1], value => Assert.Equal(1, value, 1e-12));
        Assert.Equal(n, values[2][0], 1e-12 * n);
        Assert.All(values[2][1..], value => Assert.Equal(0, value, 1e-12 * n));
        // A path's eigenvalues are 2 cos(πk / (n + 1)).
        Assert.All(Enumerable.Range(0, n), k => Assert.Equal(2 * Math.Cos(Math.PI * (k + 1) / (n + 1)), values[5][k], 1e-12));
    }

    [Fact]
    public void TwoRunsGiveTheSameBits()
    {
        double[] one = Covariance(48, 40, 1), two = [.. one];
        Assert.Equal(SymmetricEigen.Decompose(one, 48), SymmetricEigen.Decompose(two, 48));
        Assert.Equal(one, two);
    }

    /// <summary>Rows are orthonormal, values descend, and together they are the matrix again.</summary>
    private static double[] Check(double[] matrix)
    {
        int n = (int)Math.Sqrt(matrix.Length);
        double[] vectors = [.. matrix], values = SymmetricEigen.Decompose(vectors, n);
        double size = Math.Max(matrix.Max(Math.Abs), double.Epsilon), allowed = 1e-13 * n;
        Assert.Equal(values.OrderDescending(), values);
        for (int i = 0; i < n; i++)
        {
            for (int j = 0; j <= i; j++)
            {
                double dot = 0, sum = 0;
                for (int k = 0; k < n; k++)
                {
                    dot += vectors[i * n + k] * vectors[j * n + k];
                    sum += values[k] * vectors[k * n + i] * vectors[k * n + j];
                }
                Assert.Equal(i == j ? 1 : 0, dot, allowed);
                Assert.Equal(matrix[i * n + j] / size, sum / size, allowed * 10);
            }
        }
        return values;
    }

    private static double[] Matrix(int n, Func<int, int, double> element)
        => [.. Enumerable.Range(0, n * n).Select(at => element(at / n, at % n))];

    private static double[,] Symmetric(int n)
    {
        float[] random = RandomData.Normal(n * n, n);
        var matrix = new double[n, n];
        for (int i = 0; i < n; i++)
        {
            for (int j = 0; j < n; j++)
                matrix[i, j] = random[i * n + j] + (double)random[j * n + i];
        }
        return matrix;
    }

    /// <summary>Σ x xᵀ over so many vectors whose axes differ by orders of magnitude.</summary>
    private static double[] Covariance(int n, int vectors, double scale)
    {
        float[] random = RandomData.Normal(vectors * n, 5);
        return Matrix(n, (i, j) => scale * Enumerable.Range(0, vectors).Sum(v => random[v * n + i] / (1.0 + i) * random[v * n + j] / (1.0 + j)));
    }
}
