using Retrieval.Runtime.Kernels;
using Retrieval.Runtime.Models;
using Retrieval.TestKit;
using Xunit;

namespace Retrieval.Runtime.Tests.Kernels;

/// <summary>Packed four-bit rows against the scalar reference over the rows as the checkpoint has them.</summary>
public sealed unsafe class NibbleMatVecTests
{
    private const string Reason = "This processor, or this run's setting, has no AVX-512.";

    [SkippableTheory]
    [InlineData(32)]
    [InlineData(64)]
    [InlineData(96)]
    [InlineData(512)]
    [InlineData(576)]
    [InlineData(1056)]
    [InlineData(1536)]
    [InlineData(32768)]
    public void ShortBlocksEqualTheReference(int columns)
    {
        Skip.IfNot(NibbleMatVec.IsSupported, Reason);
        for (int rows = 1; rows <= 9; rows++)
        {
            Check<Q4_0>(TensorType.Q4_0, rows, columns);
            Check<Q4_1>(TensorType.Q4_1, rows, columns);
        }
    }

    [SkippableTheory]
    [InlineData(256)]
    [InlineData(768)]
    [InlineData(2304)]
    [InlineData(32768)]
    public void LongBlocksEqualTheReference(int columns)
    {
        Skip.IfNot(NibbleMatVec.IsSupported, Reason);
        for (int rows = 1; rows <= 9; rows++)
            Check<Q4_K>(TensorType.Q4_K, rows, columns);
    }

    private static void Check<TFormat>(TensorType type, int rows, int columns) where TFormat : INibbleFormat
    {
        long rowBytes = WeightFormats.RowBytes(type, columns), packedBytes = NibbleMatVec.RowBytes<TFormat>(columns);
        using GuardedMemory<byte> weights = new(KernelData.Weights(type, rows, columns, rows));
        using GuardedMemory<byte> packed = new((int)(rows * packedBytes) + 64);
        using GuardedMemory<float> x = new(KernelData.Normal(columns, columns));
        using GuardedMemory<float> expected = new(rows);
        using GuardedMemory<float> actual = new(rows);
        for (int row = 0; row < rows; row++)
            NibbleMatVec.Pack<TFormat>(weights.Pointer + row * rowBytes, columns, packed.Pointer + row * packedBytes);

        QuantizedMatVec.MultiplyReference(type, weights.Pointer, rowBytes, 0, rows, columns, x.Pointer, columns, 1, expected.Pointer, rows);
        NibbleMatVec.Multiply<TFormat>(packed.Pointer, rows, columns, x.Pointer, actual.Pointer);
        float[] row32 = new float[columns];
        for (int row = 0; row < rows; row++)
        {
            fixed (float* values = row32)
                WeightFormats.DequantizeReference(type, weights.Pointer + row * rowBytes, values, columns);
            double tolerance = 1e-6 * Norm(row32) * Norm(x.Span);
            Assert.InRange(actual.Span[row], expected.Span[row] - tolerance, expected.Span[row] + tolerance);
        }
    }

    private static double Norm(ReadOnlySpan<float> values)
    {
        double sum = 0;
        foreach (float value in values)
            sum += (double)value * value;
        return Math.Sqrt(sum);
    }
}
