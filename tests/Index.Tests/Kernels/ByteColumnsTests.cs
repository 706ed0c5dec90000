using Retrieval.Index.Kernels;
using Retrieval.TestKit;
using Xunit;

namespace Retrieval.Index.Tests.Kernels;

public sealed unsafe class ByteColumnsTests
{
    private const int Lanes = ByteColumns.Lanes;
    private const float Untouched = -123;

    private delegate void Multiplication(sbyte* panels, int stride, int* chosen, int count, int dim, float* queries, int group, float* products, int productStride);

    private static readonly Multiplication[] Kernels = [ByteColumns.Multiply, ByteColumns.MultiplyReference];

    /// <summary>Panels: fours, with and without a pair and a single one left over.</summary>
    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(7)]
    [InlineData(9)]
    [InlineData(14)]
    public void DotProductsOfEveryVectorAndQuery(int count)
    {
        foreach (int dim in Shapes.Dims)
        {
            for (int group = 1; group <= 9; group++)
            {
                // All panels, one behind the other; and every second one, with something else in between.
                Check(dim, group, [.. Enumerable.Range(0, count)], gap: 0, all: true);
                Check(dim, group, [.. Enumerable.Range(0, count).Select(k => 2 * k + 1)], gap: 5, all: false);
            }
        }
    }

    private static void Check(int dim, int group, int[] chosen, int gap, bool all)
    {
        int count = chosen.Length, stride = dim * Lanes + gap, productStride = count * Lanes + 3;
        sbyte[] panels = Bytes.Random(count == 0 ? 0 : chosen[^1] * stride + dim * Lanes, count + dim);
        float[] queries = RandomData.Normal(group * dim, group);
        using var guardedPanels = new GuardedMemory<sbyte>(panels);
        using var guardedChosen = new GuardedMemory<int>(chosen);
        using var guardedQueries = new GuardedMemory<float>(queries);
        using var products = new GuardedMemory<float>((group - 1) * productStride + count * Lanes);
        foreach (Multiplication multiply in Kernels)
        {
            products.Span.Fill(Untouched);
            multiply(guardedPanels.Pointer, stride, all ? null : guardedChosen.Pointer, count, dim, guardedQueries.Pointer, group, products.Pointer, productStride);
            for (int g = 0; g < group; g++)
            {
                for (int c = 0; c < count * Lanes; c++)
                {
                    double sum = 0, magnitude = 0;
                    for (int i = 0; i < dim; i++)
                    {
                        double product = (double)queries[g * dim + i] * panels[chosen[c / Lanes] * stride + i * Lanes + c % Lanes];
                        sum += product;
                        magnitude += Math.Abs(product);
                    }
                    if (!Shapes.IsNear(sum, products.Span[g * productStride + c], magnitude))
                        Shapes.Near(sum, products.Span[g * productStride + c], magnitude, $"{multiply.Method.Name}, dim {dim}, vector {c} of {count} panels, query {g} of {group}");
                }
                for (int c = g * productStride + count * Lanes; c < Math.Min(products.Length, (g + 1) * productStride); c++)
                    Assert.Equal(Untouched, products.Span[c]);
            }
        }
    }
}
