using Retrieval.Index.Kernels;
using Retrieval.TestKit;
using Xunit;

namespace Retrieval.Index.Tests.Kernels;

public sealed unsafe class ByteColumnsTests
{
    private const float Untouched = -123;

    private delegate void Multiplication(sbyte* columns, int stride, int dim, float* queries, int group, float* products, int productStride, int count);

    private static readonly Multiplication[] Kernels = [ByteColumns.Multiply, ByteColumns.MultiplyReference];

    /// <summary>Odd lengths, and multiples of 16 that are and are not multiples of 64.</summary>
    public static TheoryData<int> Counts => [.. Shapes.Lengths, 48, 80, 128, 208];

    [Theory]
    [MemberData(nameof(Counts))]
    public void DotProductsOfEveryVectorAndQuery(int count)
    {
        foreach (int dim in Shapes.Dims)
        {
            for (int group = 1; group <= 9; group++)
                Check(count, dim, group, extra: group % 2 * 5);
        }
    }

    private static void Check(int count, int dim, int group, int extra)
    {
        int stride = count + extra, productStride = count + 3;
        sbyte[] columns = Bytes.Random(dim * stride, count + dim);
        float[] queries = RandomData.Normal(group * dim, group);
        using var guardedColumns = new GuardedMemory<sbyte>(columns);
        using var guardedQueries = new GuardedMemory<float>(queries);
        using var products = new GuardedMemory<float>(Math.Max(0, (group - 1) * productStride + count));
        foreach (Multiplication multiply in Kernels)
        {
            products.Span.Fill(Untouched);
            multiply(guardedColumns.Pointer, stride, dim, guardedQueries.Pointer, group, products.Pointer, productStride, count);
            for (int g = 0; g < group; g++)
            {
                for (int c = 0; c < count; c++)
                {
                    double sum = 0, magnitude = 0;
                    for (int i = 0; i < dim; i++)
                    {
                        double product = (double)queries[g * dim + i] * columns[i * stride + c];
                        sum += product;
                        magnitude += Math.Abs(product);
                    }
                    if (!Shapes.IsNear(sum, products.Span[g * productStride + c], magnitude))
                        Shapes.Near(sum, products.Span[g * productStride + c], magnitude, $"{multiply.Method.Name}, dim {dim}, vector {c} of {count}, query {g} of {group}");
                }
                for (int c = g * productStride + count; c < Math.Min(products.Length, (g + 1) * productStride); c++)
                    Assert.Equal(Untouched, products.Span[c]);
            }
        }
    }
}
