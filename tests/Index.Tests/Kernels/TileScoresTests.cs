using Retrieval.Index.Kernels;
using Retrieval.TestKit;
using Xunit;

namespace Retrieval.Index.Tests.Kernels;

public sealed unsafe class TileScoresTests
{
    private const float Untouched = -123;

    [Theory]
    [MemberData(nameof(Shapes.LengthTheory), MemberType = typeof(Shapes))]
    public void DotProductsOfEveryRowAndQuery(int rows)
    {
        foreach (int dim in Shapes.Dims)
        {
            Check(rows, dim, 1, rows);
            Check(rows, dim, 3, rows + 5);
        }
    }

    private static void Check(int rows, int dim, int group, int stride)
    {
        float[] tile = RandomData.Normal(rows * dim, dim), queries = RandomData.Normal(group * dim, rows + 1);
        using var guardedTile = new GuardedMemory<float>(tile);
        using var guardedQueries = new GuardedMemory<float>(queries);
        using var fast = new GuardedMemory<float>(group * stride);
        using var reference = new GuardedMemory<float>(group * stride);
        fast.Span.Fill(Untouched);
        reference.Span.Fill(Untouched);
        TileScores.Compute(guardedTile.Pointer, rows, dim, guardedQueries.Pointer, group, fast.Pointer, stride);
        TileScores.ComputeReference(guardedTile.Pointer, rows, dim, guardedQueries.Pointer, group, reference.Pointer, stride);
        for (int g = 0; g < group; g++)
        {
            for (int r = 0; r < rows; r++)
            {
                double sum = 0, magnitude = 0;
                for (int i = 0; i < dim; i++)
                {
                    double product = (double)tile[r * dim + i] * queries[g * dim + i];
                    sum += product;
                    magnitude += Math.Abs(product);
                }
                Shapes.Near(sum, fast.Span[g * stride + r], magnitude, $"fast, dim {dim}, row {r} of {rows}, query {g}");
                Shapes.Near(sum, reference.Span[g * stride + r], magnitude, $"reference, dim {dim}, row {r} of {rows}, query {g}");
            }
            for (int r = rows; r < stride; r++)
                Assert.Equal((Untouched, Untouched), (fast.Span[g * stride + r], reference.Span[g * stride + r]));
        }
    }
}
