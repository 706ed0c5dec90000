using Retrieval.Index.Kernels;
using Retrieval.TestKit;
using Xunit;

namespace Retrieval.Index.Tests.Kernels;

public sealed unsafe class TileWeightedSumTests
{
    [Theory]
    [MemberData(nameof(Shapes.LengthTheory), MemberType = typeof(Shapes))]
    public void WeightedRowsAreAddedToTheOutput(int rows)
    {
        foreach (int dim in Shapes.Dims)
        {
            Check(rows, dim, 1, rows);
            Check(rows, dim, 3, rows + 5);
        }
    }

    private static void Check(int rows, int dim, int group, int stride)
    {
        float[] tile = RandomData.Normal(rows * dim, dim), weights = RandomData.Normal(group * stride, rows);
        float[] before = RandomData.Normal(group * dim, 3);
        using var guardedTile = new GuardedMemory<float>(tile);
        using var guardedWeights = new GuardedMemory<float>(weights);
        using var fast = new GuardedMemory<float>(before);
        using var reference = new GuardedMemory<float>(before);
        TileWeightedSum.Accumulate(guardedTile.Pointer, rows, dim, guardedWeights.Pointer, stride, group, fast.Pointer);
        TileWeightedSum.AccumulateReference(guardedTile.Pointer, rows, dim, guardedWeights.Pointer, stride, group, reference.Pointer);
        for (int g = 0; g < group; g++)
        {
            for (int i = 0; i < dim; i++)
            {
                double sum = before[g * dim + i], magnitude = Math.Abs(sum);
                for (int r = 0; r < rows; r++)
                {
                    double product = (double)weights[g * stride + r] * tile[r * dim + i];
                    sum += product;
                    magnitude += Math.Abs(product);
                }
                Shapes.Near(sum, fast.Span[g * dim + i], magnitude, $"fast, dim {dim}, {rows} rows, query {g}, column {i}");
                Shapes.Near(sum, reference.Span[g * dim + i], magnitude, $"reference, dim {dim}, {rows} rows, query {g}, column {i}");
            }
        }
    }
}
