using System.Runtime.InteropServices;
using Retrieval.Runtime.Kernels;
using Retrieval.Runtime.Models;
using Retrieval.TestKit;
using Xunit;

namespace Retrieval.Runtime.Tests.Kernels;

public sealed unsafe class WeightFormatsTests
{
    public static TheoryData<TensorType> Types => KernelData.TypeTheory;

    [Theory]
    [MemberData(nameof(Types))]
    public void ValuesAreGgmls(TensorType type)
    {
        if (type == TensorType.F32)
            return;
        using GuardedMemory<byte> raw = new(KernelData.Golden($"{type}.raw"));
        float[] golden = MemoryMarshal.Cast<byte, float>(KernelData.Golden($"{type}.float32")).ToArray();
        using GuardedMemory<float> values = new(golden.Length);
        Assert.Equal(raw.Length, WeightFormats.RowBytes(type, golden.Length));

        WeightFormats.DequantizeReference(type, raw.Pointer, values.Pointer, golden.Length);
        Assert.Equal(KernelData.Bits(golden), KernelData.Bits(values.Span));

        values.Span.Clear();
        WeightFormats.Dequantize(type, raw.Pointer, values.Pointer, golden.Length);
        Assert.Equal(KernelData.Bits(golden), KernelData.Bits(values.Span));
    }

    [Theory]
    [MemberData(nameof(Types))]
    public void EveryLengthEqualsTheReference(TensorType type)
    {
        int size = WeightFormats.BlockSize(type);
        foreach (int blocks in size == 1 ? KernelData.Lengths : [0, 1, 2, 3, 7, 9])
        {
            int count = blocks * size;
            using GuardedMemory<byte> raw = new(KernelData.Weights(type, 1, count, blocks));
            CheckEqual(type, raw, count);
        }
    }

    [Theory]
    [MemberData(nameof(Types))]
    public void AnyBitsEqualTheReference(TensorType type)
    {
        // Scales that are subnormal, infinite or NaN too.
        int count = 64 * 256;
        using GuardedMemory<byte> raw = new((int)WeightFormats.RowBytes(type, count));
        new Random(5).NextBytes(raw.Span);
        CheckEqual(type, raw, count);
    }

    [Theory]
    [MemberData(nameof(Types))]
    public void BFloat16IsTheRoundedReference(TensorType type)
    {
        foreach (int count in new[] { 256, 1024, 1280, 5120 })
        {
            using GuardedMemory<byte> raw = new(KernelData.Weights(type, 1, count, count));
            using GuardedMemory<float> values = new(count);
            using GuardedMemory<ushort> rounded = new(count);
            using GuardedMemory<ushort> expected = new(count);
            WeightFormats.DequantizeReference(type, raw.Pointer, values.Pointer, count);
            BFloat16.PackReference(values.Pointer, expected.Pointer, count);
            WeightFormats.DequantizeToBFloat16(type, raw.Pointer, rounded.Pointer, count);
            Assert.Equal(expected.Span, rounded.Span);
        }
    }

    [Fact]
    public void UnknownTypeIsNamed()
        => Assert.Contains("99", Assert.Throws<InputException>(() => { WeightFormats.BlockSize((TensorType)99); }).Message);

    private static void CheckEqual(TensorType type, GuardedMemory<byte> raw, int count)
    {
        using GuardedMemory<float> expected = new(count);
        using GuardedMemory<float> values = new(count);
        WeightFormats.DequantizeReference(type, raw.Pointer, expected.Pointer, count);
        WeightFormats.Dequantize(type, raw.Pointer, values.Pointer, count);
        Assert.Equal(KernelData.Bits(expected.Span), KernelData.Bits(values.Span));
    }
}
