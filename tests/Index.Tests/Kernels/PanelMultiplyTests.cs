using Retrieval.Index.Kernels;
using Retrieval.TestKit;
using Xunit;

namespace Retrieval.Index.Tests.Kernels;

public sealed unsafe class PanelMultiplyTests
{
    private const float Untouched = -123;

    [Theory]
    [MemberData(nameof(Shapes.DimTheory), MemberType = typeof(Shapes))]
    public void ProductsOfAllShapes(int columns)
    {
        foreach (int rows in (int[])[0, 1, 5, 6, 7, 12, 13])
        {
            foreach (int inner in (int[])[0, 1, 7, 16, 33, 64, 100])
            {
                Check(rows, inner, columns, 0, accumulate: false);
                Check(rows, inner, columns, 3, accumulate: true);
            }
        }
    }

    private static void Check(int rows, int inner, int columns, int gap, bool accumulate)
    {
        int aStride = inner + gap, bStride = columns + gap, cStride = columns + gap;
        float[] a = RandomData.Normal(rows * aStride, 1), b = RandomData.Normal(inner * bStride, 2);
        float[] before = RandomData.Normal(rows * cStride, 3);
        for (int i = 0; i < before.Length; i++)
        {
            if (i % cStride >= columns)
                before[i] = Untouched;
        }
        using var guardedA = new GuardedMemory<float>(a);
        using var guardedB = new GuardedMemory<float>(b);
        using var fast = new GuardedMemory<float>(before);
        using var reference = new GuardedMemory<float>(before);
        PanelMultiply.Multiply(
            guardedA.Pointer, aStride, guardedB.Pointer, bStride, fast.Pointer, cStride, rows, inner, columns, accumulate);
        PanelMultiply.MultiplyReference(
            guardedA.Pointer, aStride, guardedB.Pointer, bStride, reference.Pointer, cStride, rows, inner, columns, accumulate);
        for (int row = 0; row < rows; row++)
        {
            for (int column = 0; column < cStride; column++)
            {
                int at = row * cStride + column;
                if (column >= columns)
                {
                    Assert.Equal((Untouched, Untouched), (fast.Span[at], reference.Span[at]));
                    continue;
                }
                double sum = accumulate ? before[at] : 0, magnitude = Math.Abs(sum);
                for (int i = 0; i < inner; i++)
                {
                    double product = (double)a[row * aStride + i] * b[i * bStride + column];
                    sum += product;
                    magnitude += Math.Abs(product);
                }
                Shapes.Near(sum, fast.Span[at], magnitude, $"fast, [{rows}, {inner}] x [{inner}, {columns}] at {row}, {column}");
                Shapes.Near(sum, reference.Span[at], magnitude, $"reference, [{rows}, {inner}] x [{inner}, {columns}] at {row}, {column}");
            }
        }
    }
}
