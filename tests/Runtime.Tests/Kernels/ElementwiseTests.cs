using System.Runtime.Intrinsics;
using Retrieval.Runtime.Kernels;
using Retrieval.TestKit;
using Xunit;

namespace Retrieval.Runtime.Tests.Kernels;

public sealed unsafe class ElementwiseTests
{
    public static TheoryData<int> Lengths => KernelData.LengthTheory;

    [Theory]
    [MemberData(nameof(Lengths))]
    public void RmsNormEqualsItsReference(int n)
    {
        foreach (float scale in (float[])[1, 1e-12f, 1e12f, 0])
        {
            using GuardedMemory<float> x = new(KernelData.Normal(n, n, scale));
            using GuardedMemory<float> weight = new(KernelData.Normal(n, n + 1));
            using GuardedMemory<float> expected = new(n);
            using GuardedMemory<float> y = new(n);
            RmsNorm.ApplyReference(x.Pointer, weight.Pointer, expected.Pointer, n, 1e-5f);
            RmsNorm.Apply(x.Pointer, weight.Pointer, y.Pointer, n, 1e-5f);
            Close(expected.Span, y.Span, 1e-6);
            RmsNorm.Apply(x.Pointer, weight.Pointer, x.Pointer, n, 1e-5f);
            Assert.Equal(KernelData.Bits(y.Span), KernelData.Bits(x.Span));
        }
    }

    [Theory]
    [MemberData(nameof(Lengths))]
    public void SiluMultiplyEqualsItsReference(int n)
    {
        foreach (float scale in (float[])[1, 1e-30f, 30, 1e4f])
        {
            using GuardedMemory<float> gate = new(KernelData.Normal(n, n, scale));
            using GuardedMemory<float> up = new(KernelData.Normal(n, n + 1));
            using GuardedMemory<float> expected = new(n);
            using GuardedMemory<float> y = new(n);
            SiluMultiply.ApplyReference(gate.Pointer, up.Pointer, expected.Pointer, n);
            SiluMultiply.Apply(gate.Pointer, up.Pointer, y.Pointer, n);
            Close(expected.Span, y.Span, 1e-6);
            SiluMultiply.Apply(gate.Pointer, up.Pointer, up.Pointer, n);
            Assert.Equal(KernelData.Bits(y.Span), KernelData.Bits(up.Span));
        }
    }

    /// <summary>Float32 results that differ in their last bits may round to neighbours in bfloat16.</summary>
    [Theory]
    [MemberData(nameof(Lengths))]
    public void SiluMultiplyOfBFloat16EqualsItsReference(int n)
    {
        foreach (float scale in (float[])[1, 1e-15f, 30, 1e4f])
        {
            using GuardedMemory<float> gate = new(KernelData.Normal(n, n, scale)), up = new(KernelData.Normal(n, n + 1)), expectedWide = new(n), wide = new(n);
            using GuardedMemory<ushort> g = new(n), u = new(n), expected = new(n), y = new(n);
            BFloat16.Pack(gate.Pointer, g.Pointer, n);
            BFloat16.Pack(up.Pointer, u.Pointer, n);
            SiluMultiply.ApplyReference(g.Pointer, u.Pointer, expected.Pointer, n);
            SiluMultiply.Apply(g.Pointer, u.Pointer, y.Pointer, n);
            BFloat16.Unpack(expected.Pointer, expectedWide.Pointer, n);
            BFloat16.Unpack(y.Pointer, wide.Pointer, n);
            Close(expectedWide.Span, wide.Span, 1.0 / 128);
        }
    }

    [Theory]
    [MemberData(nameof(Lengths))]
    public void AddEqualsItsReference(int n)
    {
        using GuardedMemory<float> a = new(KernelData.AnyBits(n, n));
        using GuardedMemory<float> b = new(KernelData.AnyBits(n, n + 1));
        using GuardedMemory<float> expected = new(n);
        using GuardedMemory<float> y = new(n);
        Add.ApplyReference(a.Pointer, b.Pointer, expected.Pointer, n);
        Add.Apply(a.Pointer, b.Pointer, y.Pointer, n);
        Assert.Equal(KernelData.Bits(expected.Span), KernelData.Bits(y.Span));
        Add.Apply(a.Pointer, b.Pointer, a.Pointer, n);
        Assert.Equal(KernelData.Bits(expected.Span), KernelData.Bits(a.Span));
    }

    [Theory]
    [MemberData(nameof(Lengths))]
    public void ArgMaxEqualsItsReference(int n)
    {
        Check(KernelData.Normal(n, n));
        Check(KernelData.AnyBits(n, n));
        Check(new float[n]);
        float[] none = new float[n];
        Array.Fill(none, float.NaN);
        Check(none);
        Array.Fill(none, float.NegativeInfinity);
        Check(none);
        for (int i = 0; i < n; i += 3)
        {
            float[] ties = KernelData.Normal(n, i, 0.01f);
            ties[i] = ties[n - 1] = 5;
            Check(ties);
        }

        static void Check(float[] values)
        {
            using GuardedMemory<float> x = new(values);
            Assert.Equal(ArgMax.FindReference(x.Pointer, x.Length), ArgMax.Find(x.Pointer, x.Length));
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void RopeEqualsItsReference(bool adjacentPairs)
    {
        foreach (int dims in (int[])[0, 2, 6, 8, 14, 16, 30, 32, 34, 48, 64, 66, 80, 96, 128, 256])
        {
            float[] angles = KernelData.Normal(dims / 2, dims, 100);
            using GuardedMemory<float> cos = new([.. angles.Select(MathF.Cos)]);
            using GuardedMemory<float> sin = new([.. angles.Select(MathF.Sin)]);
            using GuardedMemory<float> expected = new(KernelData.Normal(dims, dims));
            using GuardedMemory<float> head = new(expected.Span);
            Rope.ApplyReference(expected.Pointer, cos.Pointer, sin.Pointer, dims, adjacentPairs);
            Rope.Apply(head.Pointer, cos.Pointer, sin.Pointer, dims, adjacentPairs);
            Close(expected.Span, head.Span, 1e-6, 1e-6);
        }
    }

    private static void Close(ReadOnlySpan<float> expected, ReadOnlySpan<float> actual, double relative, double absolute = 1e-36)
    {
        for (int i = 0; i < expected.Length; i++)
            Assert.True(Math.Abs((double)expected[i] - actual[i]) <= relative * Math.Abs(expected[i]) + absolute,
                $"[{i}] is {actual[i]}, not {expected[i]}.");
    }
}
