using Retrieval.Index.Kernels;
using Retrieval.TestKit;
using Xunit;

namespace Retrieval.Index.Tests.Kernels;

public sealed unsafe class ByteRowTests
{
    private delegate float Narrowing(float* source, sbyte* destination, int count);

    private delegate void Widening(sbyte* source, float scale, float* destination, int count);

    private static readonly Narrowing[] NarrowKernels = [ByteRow.Narrow, ByteRow.NarrowReference];

    private static readonly Widening[] WidenKernels = [ByteRow.Widen, ByteRow.WidenReference];

    /// <summary>Each element comes back to half a step, the step is no larger than it must be, and −128 is not used.</summary>
    [Theory]
    [MemberData(nameof(Shapes.LengthTheory), MemberType = typeof(Shapes))]
    public void RowsComeBackToHalfAStep(int length)
    {
        foreach (float size in (float[])[1, 3e-4f, 900, 15000])
        {
            float[] row = [.. RandomData.Normal(length, length, size).Select(x => (float)(Half)Math.Clamp(x, -65504, 65504))];
            (sbyte[] bytes, float scale) = Narrow(row, ByteRow.Narrow);
            (sbyte[] reference, float referenceScale) = Narrow(row, ByteRow.NarrowReference);
            Assert.Equal(referenceScale, scale);
            Assert.Equal(reference, bytes);
            double largest = row.Select(x => Math.Abs((double)x)).DefaultIfEmpty(0).Max();
            Assert.Equal(scale, (float)(Half)scale);
            Assert.InRange(scale, largest / 127, largest / 127 * (1 + 1.0 / 1024) + Math.Pow(2, -24));
            for (int i = 0; i < length; i++)
            {
                Assert.InRange(bytes[i], (sbyte)-127, (sbyte)127);
                Assert.InRange(Math.Abs(row[i] - (double)scale * bytes[i]), 0, (double)scale * (0.5 + 1e-5));
            }
        }
    }

    /// <summary>The largest element decides: it may stand anywhere in a row, and may be negative.</summary>
    [Fact]
    public void TheLargestElementIsFoundWhereverItStands()
    {
        foreach (int length in (int[])[16, 17, 64])
        {
            for (int at = 0; at < length; at++)
            {
                float[] row = RandomData.Normal(length, at, 0.1f);
                row[at] = at % 2 == 0 ? 50 : -50;
                foreach (Narrowing narrow in NarrowKernels)
                {
                    (sbyte[] bytes, _) = Narrow(row, narrow);
                    Assert.Equal(at % 2 == 0 ? 127 : -127, bytes[at]);
                    Assert.Equal(1, bytes.Count(b => Math.Abs((int)b) > 20));
                }
            }
        }
    }

    [Fact]
    public void ARowOfZerosHasScaleZeroAndStaysZero()
    {
        foreach (int length in (int[])[0, 1, 16, 100])
        {
            foreach (Narrowing narrow in NarrowKernels)
            {
                (sbyte[] bytes, float scale) = Narrow(new float[length], narrow);
                Assert.Equal(0, scale);
                Assert.Equal(new sbyte[length], bytes);
                Assert.Equal(new float[length], Widen(bytes, scale, ByteRow.Widen));
            }
        }
    }

    /// <summary>The smallest halves: a scale of a subnormal half is coarse, but rows do not vanish into nothing else than 0 or grow.</summary>
    [Fact]
    public void TheSmallestRowsStayWithinHalfAStepToo()
    {
        float smallest = (float)Half.Epsilon;
        float[] row = [.. Enumerable.Range(0, 32).Select(i => (i - 16) * smallest)];
        foreach (Narrowing narrow in NarrowKernels)
        {
            (sbyte[] bytes, float scale) = Narrow(row, narrow);
            for (int i = 0; i < row.Length; i++)
                Assert.InRange(Math.Abs(row[i] - scale * bytes[i]), 0, scale / 2);
        }
    }

    [Theory]
    [InlineData(16)]
    [InlineData(15)]
    public void TiesGoToEven(int length)
    {
        // A scale of exactly 1.
        float[] row = [127, 0.5f, 1.5f, 2.5f, -0.5f, -1.5f, -2.5f, 3.5f, 100.5f, -100.5f, 0, 0, 0, 0, 0];
        Array.Resize(ref row, length);
        foreach (Narrowing narrow in NarrowKernels)
        {
            (sbyte[] bytes, float scale) = Narrow(row, narrow);
            Assert.Equal(1, scale);
            Assert.Equal([127, 0, 2, 2, 0, -2, -2, 4, 100, -100], bytes[..10]);
        }
    }

    [Theory]
    [MemberData(nameof(Shapes.LengthTheory), MemberType = typeof(Shapes))]
    public void BytesWidenToTheirProductWithTheScale(int length)
    {
        sbyte[] bytes = Bytes.Random(length, length);
        foreach (float scale in (float[])[1, 0, 0.0123f, (float)Half.Epsilon, 515.5f])
        {
            float[] expected = Array.ConvertAll(bytes, b => (float)((double)b * scale));
            foreach (Widening widen in WidenKernels)
                Assert.Equal(expected, Widen(bytes, scale, widen));
        }
    }

    private static (sbyte[] Bytes, float Scale) Narrow(float[] row, Narrowing narrow)
    {
        using var source = new GuardedMemory<float>(row);
        using var destination = new GuardedMemory<sbyte>(row.Length);
        float scale = narrow(source.Pointer, destination.Pointer, row.Length);
        return (destination.Span.ToArray(), scale);
    }

    private static float[] Widen(sbyte[] bytes, float scale, Widening widen)
    {
        using var source = new GuardedMemory<sbyte>(bytes);
        using var destination = new GuardedMemory<float>(bytes.Length);
        widen(source.Pointer, scale, destination.Pointer, bytes.Length);
        return destination.Span.ToArray();
    }
}
