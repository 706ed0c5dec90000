using Retrieval.Index.Kernels;
using Retrieval.TestKit;
using Xunit;

namespace Retrieval.Index.Tests.Kernels;

public sealed unsafe class HalfRowTests
{
    /// <summary>Bits of every half that is a number.</summary>
    private static readonly ushort[] AllFinite =
        [.. Enumerable.Range(0, 65536).Select(bits => (ushort)bits).Where(bits => Half.IsFinite(BitConverter.UInt16BitsToHalf(bits)))];

    [Fact]
    public void EveryHalfWidensToItsValueAndNarrowsBack()
    {
        Assert.Equal(2 * 31 * 1024, AllFinite.Length);
        float[] wide = Widen(AllFinite), reference = Widen(AllFinite, HalfRow.WidenReference);
        for (int i = 0; i < AllFinite.Length; i++)
        {
            uint expected = BitConverter.SingleToUInt32Bits((float)BitConverter.UInt16BitsToHalf(AllFinite[i]));
            Assert.Equal(expected, BitConverter.SingleToUInt32Bits(wide[i]));
            Assert.Equal(expected, BitConverter.SingleToUInt32Bits(reference[i]));
            Assert.Equal(expected, BitConverter.SingleToUInt32Bits(HalfRow.Widen(AllFinite[i])));
        }
        Assert.Equal(AllFinite, Narrow(wide));
        Assert.Equal(AllFinite, Narrow(wide, HalfRow.NarrowReference));
    }

    [Theory]
    [MemberData(nameof(Shapes.LengthTheory), MemberType = typeof(Shapes))]
    public void AnyLengthIsConvertedWholeAndNoMore(int length)
    {
        ushort[] halves = [.. Enumerable.Range(0, length).Select(i => AllFinite[i * 7919 % AllFinite.Length])];
        float[] wide = Widen(halves);
        Assert.Equal(Array.ConvertAll(halves, h => (float)BitConverter.UInt16BitsToHalf(h)), wide);
        Assert.Equal(halves, Narrow(wide));
    }

    [Fact]
    public void BetweenTwoHalvesTheNearerWinsAndTheEvenOneATie()
    {
        // 0 … 0x7BFE: each positive half that has a finite successor.
        ushort[] lower = [.. Enumerable.Range(0, 0x7BFF).Select(bits => (ushort)bits)];
        float[] tie = [.. lower.Select(bits => (Value(bits) + Value(bits + 1)) / 2)];
        ushort[] even = [.. lower.Select(bits => (ushort)(bits + (bits & 1)))];
        ushort[] upper = [.. lower.Select(bits => (ushort)(bits + 1))];
        RoundsTo(tie, even);
        RoundsTo([.. tie.Select(MathF.BitDecrement)], lower);
        RoundsTo([.. tie.Select(MathF.BitIncrement)], upper);

        static float Value(int bits) => (float)BitConverter.UInt16BitsToHalf((ushort)bits);
    }

    [Fact]
    public void TooLargeNumbersBecomeTheLargestHalf()
    {
        float[] large =
        [
            65504, 65505, 65519.99f, 65520, 65521, 65536, 1e5f, 1e6f,
            1e7f, 1e8f, 1e9f, 1e10f, 1e20f, 3.4e38f, float.MaxValue, float.PositiveInfinity,
        ];
        Assert.True(large.Length % 16 == 0, "the vector path should see all of them");
        RoundsTo(large, [.. large.Select(_ => (ushort)0x7BFF)]);
    }

    [Fact]
    public void AnyFloatNarrowsAsTheFrameworkConverts()
    {
        var random = new Random(5);
        var values = new float[1 << 16];
        for (int i = 0; i < values.Length;)
        {
            float value = BitConverter.Int32BitsToSingle(random.Next(int.MinValue, int.MaxValue));
            if (!float.IsNaN(value))
                values[i++] = value;
        }
        ushort[] expected = [.. values.Select(v => BitConverter.HalfToUInt16Bits((Half)Math.Clamp(v, -65504f, 65504f)))];
        Assert.Equal(expected, Narrow(values));
        Assert.Equal(expected, Narrow(values, HalfRow.NarrowReference));
    }

    /// <summary>Holds for both signs, in the vector path and in the reference.</summary>
    private static void RoundsTo(float[] values, ushort[] expected)
    {
        Assert.Equal(expected, Narrow(values));
        Assert.Equal(expected, Narrow(values, HalfRow.NarrowReference));
        float[] negative = Array.ConvertAll(values, v => -v);
        ushort[] negativeExpected = Array.ConvertAll(expected, bits => (ushort)(bits | 0x8000));
        Assert.Equal(negativeExpected, Narrow(negative));
        Assert.Equal(negativeExpected, Narrow(negative, HalfRow.NarrowReference));
    }

    private delegate void Widening(ushort* source, float* destination, int count);

    private delegate void Narrowing(float* source, ushort* destination, int count);

    private static float[] Widen(ushort[] halves, Widening? kernel = null)
    {
        using var source = new GuardedMemory<ushort>(halves);
        using var destination = new GuardedMemory<float>(halves.Length);
        (kernel ?? HalfRow.Widen)(source.Pointer, destination.Pointer, halves.Length);
        return destination.Span.ToArray();
    }

    private static ushort[] Narrow(float[] values, Narrowing? kernel = null)
    {
        using var source = new GuardedMemory<float>(values);
        using var destination = new GuardedMemory<ushort>(values.Length);
        (kernel ?? HalfRow.Narrow)(source.Pointer, destination.Pointer, values.Length);
        return destination.Span.ToArray();
    }
}
