using Retrieval.Index.Kernels;
using Retrieval.TestKit;
using Xunit;

namespace Retrieval.Index.Tests.Kernels;

public sealed unsafe class TransposeTests
{
    private const float Untouched = -123;

    [Theory]
    [MemberData(nameof(Shapes.LengthTheory), MemberType = typeof(Shapes))]
    public void RowsBecomeColumns(int rows)
    {
        foreach (int columns in (int[])[1, 3, .. Shapes.Dims])
        {
            Check(rows, columns, rows);
            Check(rows, columns, rows + 3);
        }
    }

    private static void Check(int rows, int columns, int stride)
    {
        using var source = new GuardedMemory<float>([.. Enumerable.Range(0, rows * columns).Select(i => (float)i)]);
        using var fast = new GuardedMemory<float>(columns * stride);
        using var reference = new GuardedMemory<float>(columns * stride);
        fast.Span.Fill(Untouched);
        reference.Span.Fill(Untouched);
        Transpose.Apply(source.Pointer, rows, columns, fast.Pointer, stride);
        Transpose.ApplyReference(source.Pointer, rows, columns, reference.Pointer, stride);
        for (int c = 0; c < columns; c++)
        {
            for (int r = 0; r < stride; r++)
            {
                float expected = r < rows ? r * columns + c : Untouched;
                Assert.Equal((expected, expected), (fast.Span[c * stride + r], reference.Span[c * stride + r]));
            }
        }
    }
}
