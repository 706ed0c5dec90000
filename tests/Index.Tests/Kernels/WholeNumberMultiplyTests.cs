using Retrieval.Index.Kernels;
using Retrieval.TestKit;
using Xunit;

namespace Retrieval.Index.Tests.Kernels;

public sealed unsafe class WholeNumberMultiplyTests
{
    private const float Untouched = -123;

    // Half a unit for each element; a row of whole numbers is at least 2^14 / √2 long.
    private const double HalfUnit = 0.5 * 1.4143 / 16384;

    [Theory]
    [MemberData(nameof(Shapes.DimTheory), MemberType = typeof(Shapes))]
    public void ProductsOfAllShapes(int columns)
    {
        foreach (int rows in (int[])[0, 1, 5, 6, 7, 12, 13])
        {
            foreach (int inner in (int[])[1, 2, 7, 16, 33, 64, 80, 128])
            {
                Check(RandomData.Normal(rows * inner, 1), RandomData.Normal(inner * columns, 2), rows, inner, columns, 0, accumulate: false);
                Check(RandomData.Normal(rows * inner, 1), RandomData.Normal(inner * columns, 2), rows, inner, columns, 3, accumulate: true);
            }
        }
    }

    /// <summary>Rows and columns of zeros, of one element at the edge of a unit, of equal elements, and of sizes at the ends of floats' range.</summary>
    [Theory]
    [InlineData(0f)]
    [InlineData(1f)]
    [InlineData(0.99999994f)]
    [InlineData(-0.99999994f)]
    [InlineData(2980f)]
    [InlineData(1e-15f)]
    [InlineData(1e15f)]
    public void Extremes(float value)
    {
        const int Rows = 7, Inner = 64, Columns = 64;
        float[] one = new float[Rows * Inner], column = new float[Inner * Columns];
        for (int row = 0; row < Rows; row++)
            one[row * Inner + row * 9] = value;
        for (int i = 0; i < Columns; i++)
            column[i % Inner * Columns + i] = value;
        float[] equal = [.. Enumerable.Repeat(value, Rows * Inner)], equalColumns = [.. Enumerable.Repeat(value, Inner * Columns)];
        Check(one, column, Rows, Inner, Columns, 0, accumulate: false);
        Check(one, equalColumns, Rows, Inner, Columns, 0, accumulate: false);
        Check(equal, column, Rows, Inner, Columns, 0, accumulate: false);
        Check(equal, equalColumns, Rows, Inner, Columns, 0, accumulate: false);
    }

    private static void Check(float[] a, float[] b, int rows, int inner, int columns, int gap, bool accumulate)
    {
        int pairs = WholeNumberMultiply.Pairs(inner), cStride = columns + gap;
        using var guardedA = new GuardedMemory<float>(a);
        using var guardedB = new GuardedMemory<float>(b);
        using GuardedMemory<short> narrowA = new(rows * 2 * pairs), referenceA = new(rows * 2 * pairs);
        using GuardedMemory<int> narrowB = new(pairs * columns), referenceB = new(pairs * columns);
        using GuardedMemory<float> aUnits = new(rows), referenceAUnits = new(rows), bUnits = new(columns), referenceBUnits = new(columns);
        WholeNumberMultiply.NarrowRows(guardedA.Pointer, rows, inner, narrowA.Pointer, aUnits.Pointer);
        WholeNumberMultiply.NarrowRowsReference(guardedA.Pointer, rows, inner, referenceA.Pointer, referenceAUnits.Pointer);
        WholeNumberMultiply.NarrowPanel(guardedB.Pointer, columns, inner, columns, narrowB.Pointer, bUnits.Pointer);
        WholeNumberMultiply.NarrowPanelReference(guardedB.Pointer, columns, inner, columns, referenceB.Pointer, referenceBUnits.Pointer);

        float[] before = RandomData.Normal(rows * cStride, 3);
        for (int i = 0; i < before.Length; i++)
        {
            if (i % cStride >= columns)
                before[i] = Untouched;
        }
        using var fast = new GuardedMemory<float>(before);
        using var reference = new GuardedMemory<float>(before);
        WholeNumberMultiply.Multiply(
            narrowA.Pointer, 2 * pairs, aUnits.Pointer, narrowB.Pointer, bUnits.Pointer, fast.Pointer, cStride, rows, pairs, columns, accumulate);
        WholeNumberMultiply.MultiplyReference(
            referenceA.Pointer, 2 * pairs, referenceAUnits.Pointer, referenceB.Pointer, referenceBUnits.Pointer, reference.Pointer, cStride, rows, pairs, columns, accumulate);
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
                double sum = accumulate ? before[at] : 0, magnitude = Math.Abs(sum), rowSquares = 0, columnSquares = 0, rowSum = 0, columnSum = 0;
                for (int i = 0; i < inner; i++)
                {
                    double x = a[row * inner + i], y = b[i * columns + column];
                    sum += x * y;
                    rowSquares += x * x;
                    columnSquares += y * y;
                    rowSum += Math.Abs(x);
                    columnSum += Math.Abs(y);
                }
                // Each element of one side errs by half a unit of its own, whatever the other side is.
                double rowUnit = HalfUnit * Math.Sqrt(rowSquares), columnUnit = HalfUnit * Math.Sqrt(columnSquares);
                double allowed = rowUnit * columnSum + columnUnit * rowSum + inner * rowUnit * columnUnit + 1e-6 * (magnitude + Math.Abs(sum)) + 1e-30;
                // The largest 16-bit number stands for what is rounded up past it.
                allowed += 2 * HalfUnit * Math.Sqrt(rowSquares * columnSquares);
                Assert.True(Math.Abs(sum - fast.Span[at]) <= allowed, $"fast, [{rows}, {inner}] x [{inner}, {columns}] at {row}, {column}: {fast.Span[at]} where {sum} is right.");
                Assert.True(Math.Abs(sum - reference.Span[at]) <= allowed, $"reference, [{rows}, {inner}] x [{inner}, {columns}] at {row}, {column}: {reference.Span[at]} where {sum} is right.");
            }
        }
    }
}
