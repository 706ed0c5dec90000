using System.Runtime.Intrinsics;
using Retrieval.Index.Kernels;
using Retrieval.TestKit;
using Xunit;

namespace Retrieval.Index.Tests.Kernels;

public sealed unsafe class ByteColumnsTests
{
    private const int Lanes = ByteColumns.Lanes;
    private const float Untouched = -123;

    private delegate void Multiplication(sbyte* panels, int stride, int* chosen, int count, int dim, short* queries, float* units, int group, float* products, int productStride);

    private delegate float Rounding(float* query, float* scale, int dim, short* rounded);

    private static readonly Multiplication[] Kernels = [ByteColumns.Multiply, ByteColumns.MultiplyReference];

    /// <summary>Panels: fours, with and without others left over.</summary>
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
        foreach (int dim in (int[])[.. Shapes.Dims, 5])
        {
            for (int group = 1; group <= 9; group++)
            {
                // All panels, one behind the other; and every second one, with something else in between.
                Check(dim, group, [.. Enumerable.Range(0, count)], gap: 0, all: true);
                Check(dim, group, [.. Enumerable.Range(0, count).Select(k => 2 * k + 1)], gap: 5, all: false);
            }
        }
    }

    /// <summary>Sums of the largest elements and bytes there can be stay whole numbers.</summary>
    [Theory]
    [InlineData(2)]
    [InlineData(64)]
    [InlineData(512)]
    [InlineData(2048)]
    public void TheLargestSumIsRight(int dim)
    {
        using var query = new GuardedMemory<float>([.. Enumerable.Repeat(-10f, dim)]);
        using var scale = new GuardedMemory<float>([.. Enumerable.Repeat(100f, dim)]);
        using var rounded = new GuardedMemory<short>(dim);
        using var panel = new GuardedMemory<sbyte>([.. Enumerable.Repeat(sbyte.MinValue, dim * Lanes)]);
        using var products = new GuardedMemory<float>(Lanes);
        float unit = ByteColumns.Round(query.Pointer, scale.Pointer, dim, rounded.Pointer);
        foreach (Multiplication multiply in Kernels)
        {
            multiply(panel.Pointer, dim * Lanes, null, 1, dim, rounded.Pointer, &unit, 1, products.Pointer, Lanes);
            Assert.All(products.Span.ToArray(), product => Assert.Equal(128000f * dim, product, 1e-5f * 128000 * dim));
        }
    }

    [Fact]
    public void QueriesAreRoundedToTheNearestWholeNumber()
    {
        foreach (int dim in (int[])[.. Shapes.Dims, 5])
        {
            float[] query = RandomData.Normal(dim, dim), scale = [.. RandomData.Normal(dim, dim + 1).Select(Math.Abs)];
            query[dim / 2] = 0;
            using var guardedQuery = new GuardedMemory<float>(query);
            using var guardedScale = new GuardedMemory<float>(scale);
            using var rounded = new GuardedMemory<short>(ByteColumns.Even(dim));
            foreach (Rounding round in (Rounding[])[ByteColumns.Round, ByteColumns.RoundReference])
            {
                rounded.Span.Fill(-1);
                float unit = round(guardedQuery.Pointer, guardedScale.Pointer, dim, rounded.Pointer);
                Assert.InRange(rounded.Span.ToArray().Max(element => Math.Abs((int)element)), 32766, 32767);
                for (int i = 0; i < dim; i++)
                    Assert.InRange(rounded.Span[i] - query[i] * scale[i] / (double)unit, -0.51, 0.51);
                Assert.Equal(0, rounded.Span[dim / 2]);
                Assert.All(rounded.Span[dim..].ToArray(), padding => Assert.Equal(0, padding));
                using var zeros = new GuardedMemory<float>(new float[dim]);
                Assert.Equal(0, round(zeros.Pointer, guardedScale.Pointer, dim, rounded.Pointer));
                Assert.All(rounded.Span.ToArray(), element => Assert.Equal(0, element));
                using var huge = new GuardedMemory<float>([.. query.Select(x => x * 1e38f)]);
                Assert.True(float.IsFinite(round(huge.Pointer, huge.Pointer, dim, rounded.Pointer)));
            }
        }
    }

    [Fact]
    public void AnAxisIsReadFromItsPairs()
    {
        const int Dim = 10;
        sbyte[] panel = Bytes.Random(Dim * Lanes, 3);
        using var guarded = new GuardedMemory<sbyte>(panel);
        for (int i = 0; i < Dim; i++)
        {
            Vector512<float> axis = ByteColumns.Axis(guarded.Pointer, i);
            for (int lane = 0; lane < Lanes; lane++)
                Assert.Equal(panel[ByteColumns.At(i, lane)], axis[lane]);
        }
    }

    private static void Check(int dim, int group, int[] chosen, int gap, bool all)
    {
        int count = chosen.Length, even = ByteColumns.Even(dim), stride = even * Lanes + gap, productStride = count * Lanes + 3;
        sbyte[] panels = Bytes.Random(count == 0 ? 0 : chosen[^1] * stride + even * Lanes, count + dim);
        short[] queries = [.. RandomData.Normal(group * even, group).Select(x => (short)Math.Clamp(x * 12000, -32767, 32767))];
        float[] units = [.. Enumerable.Range(1, group).Select(g => 0.01f * g)];
        using var guardedPanels = new GuardedMemory<sbyte>(panels);
        using var guardedChosen = new GuardedMemory<int>(chosen);
        using var guardedQueries = new GuardedMemory<short>(queries);
        using var guardedUnits = new GuardedMemory<float>(units);
        using var products = new GuardedMemory<float>((group - 1) * productStride + count * Lanes);
        foreach (Multiplication multiply in Kernels)
        {
            products.Span.Fill(Untouched);
            multiply(guardedPanels.Pointer, stride, all ? null : guardedChosen.Pointer, count, dim, guardedQueries.Pointer, guardedUnits.Pointer, group, products.Pointer, productStride);
            for (int g = 0; g < group; g++)
            {
                for (int c = 0; c < count * Lanes; c++)
                {
                    double sum = 0, magnitude = 0;
                    for (int i = 0; i < even; i++)
                    {
                        double product = (double)units[g] * queries[g * even + i] * panels[chosen[c / Lanes] * stride + ByteColumns.At(i, c % Lanes)];
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
