using Retrieval.Runtime.Kernels;
using Retrieval.TestKit;
using Xunit;

namespace Retrieval.Runtime.Tests.Kernels;

public sealed unsafe class RowConversionTests
{
    [Fact]
    public void EveryHalfUnpacksExactly()
    {
        using GuardedMemory<ushort> halves = new(65536);
        for (int i = 0; i < 65536; i++)
            halves.Pointer[i] = (ushort)i;
        using GuardedMemory<float> expected = new(65536);
        using GuardedMemory<float> values = new(65536);
        Float16.UnpackReference(halves.Pointer, expected.Pointer, 65536);
        Float16.Unpack(halves.Pointer, values.Pointer, 65536);
        Assert.Equal(KernelData.Bits(expected.Span), KernelData.Bits(values.Span));
        for (int i = 0; i < 65536; i++)
            Assert.Equal(KernelData.Bits(expected.Pointer[i]), KernelData.Bits(Float16.ToSingle((ushort)i)));
    }

    /// <summary>Every half, its neighbours in float32, the midpoints to the next half and their neighbours.</summary>
    [Fact]
    public void RoundsToHalfAsIeeeDoes()
    {
        List<float> values = [];
        for (int i = 0; i < 65536; i++)
        {
            float value = (float)BitConverter.UInt16BitsToHalf((ushort)i);
            float middle = (value + (float)BitConverter.UInt16BitsToHalf((ushort)(i + 1))) / 2;
            values.AddRange([value, MathF.BitIncrement(value), MathF.BitDecrement(value)]);
            values.AddRange([middle, MathF.BitIncrement(middle), MathF.BitDecrement(middle)]);
        }
        values.AddRange([65519.996f, 65520, -65520, 1e30f, float.MaxValue, float.MinValue]);
        values.AddRange([float.Epsilon, -float.Epsilon, 2.98e-8f, 2.9802322e-8f]);
        values.AddRange(KernelData.AnyBits(100_000, 1));
    }

    [Fact]
    public void RoundsToBFloat16AsIeeeDoes()
    {
        List<float> values = [];
        for (uint i = 0; i < 65536; i++)
        {
            foreach (uint low in (uint[])[0, 1, 0x7FFF, 0x8000, 0x8001, 0xFFFF])
                values.Add(BitConverter.UInt32BitsToSingle(i << 16 | low));
        }
        CheckBFloat16([.. values]);
        Assert.Equal(0x3F80, BFloat16.FromSingle(1.00390625f)); // tie to even: down
        Assert.Equal(0x3F82, BFloat16.FromSingle(1.01171875f)); // tie to even: up
        Assert.Equal(0x7F80, BFloat16.FromSingle(float.MaxValue));
    }

    [Fact]
    public void EveryLength()
    {
        foreach (int n in KernelData.Lengths)
        {
            CheckBFloat16(KernelData.Normal(n, n));
        }
    }

    private static void CheckBFloat16(float[] source)
    {
        using GuardedMemory<float> values = new(source);
        using GuardedMemory<ushort> expected = new(source.Length);
        using GuardedMemory<ushort> packed = new(source.Length);
        using GuardedMemory<float> back = new(source.Length);
        using GuardedMemory<float> expectedBack = new(source.Length);
        BFloat16.PackReference(values.Pointer, expected.Pointer, source.Length);
        BFloat16.Pack(values.Pointer, packed.Pointer, source.Length);
        Assert.Equal(expected.Span, packed.Span);
        BFloat16.UnpackReference(packed.Pointer, expectedBack.Pointer, source.Length);
        BFloat16.Unpack(packed.Pointer, back.Pointer, source.Length);
        Assert.Equal(KernelData.Bits(expectedBack.Span), KernelData.Bits(back.Span));
        for (int i = 0; i < source.Length; i++)
            Assert.Equal(float.IsNaN(source[i]), float.IsNaN(back.Pointer[i]));
        using GuardedMemory<float> expectedSum = new(source), sum = new(source);
        BFloat16.AddToReference(packed.Pointer, expectedSum.Pointer, source.Length);
        BFloat16.AddTo(packed.Pointer, sum.Pointer, source.Length);
        Assert.Equal(KernelData.Bits(expectedSum.Span), KernelData.Bits(sum.Span));
    }
}
