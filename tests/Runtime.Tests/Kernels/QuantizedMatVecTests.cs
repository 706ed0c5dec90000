using Retrieval.Runtime.Kernels;
using Retrieval.Runtime.Models;
using Retrieval.TestKit;
using Xunit;

namespace Retrieval.Runtime.Tests.Kernels;

public sealed unsafe class QuantizedMatVecTests
{
    public static TheoryData<TensorType> Types => KernelData.TypeTheory;

    [Theory]
    [MemberData(nameof(Types))]
    public void EveryShapeEqualsTheReference(TensorType type)
    {
        int size = WeightFormats.BlockSize(type);
        int[] columns = size switch
        {
            1 => [1, 15, 16, 17, 33, 64, 100, 576, 1023, 1024, 1025, 2100],
            32 => [32, 64, 96, 576, 1024, 1056, 1536, 2080],
            _ => [256, 512, 768, 1024, 1280, 2304],
        };
        foreach (int n in columns)
        {
            for (int rows = 1; rows <= 9; rows++)
                Check(type, 0, rows, n, 1);
        }
    }

    [Theory]
    [MemberData(nameof(Types))]
    public void EveryBatchEqualsTheReference(TensorType type)
    {
        for (int batch = 1; batch <= QuantizedMatVec.MaxBatch; batch++)
            Check(type, 3, 7, 1280, batch);
    }

    [Theory]
    [MemberData(nameof(Types))]
    public void LongRowsEqualTheReference(TensorType type) => Check(type, 1, 5, 32768, 2);

    /// <summary>Zero scales, subnormal scales and activations of very different size.</summary>
    [Theory]
    [MemberData(nameof(Types))]
    public void ExtremeScalesEqualTheReference(TensorType type)
    {
        const int rows = 5, columns = 768;
        byte[] weights = KernelData.Weights(type, rows, columns, 3);
        int blockBytes = WeightFormats.BlockBytes(type);
        Half[] scales = [Half.Zero, Half.Epsilon, (Half)(-3e-6f), (Half)1000f, Half.NegativeZero];
        if (type is not (TensorType.F32 or TensorType.BF16))
        {
            for (int block = 0; block * blockBytes < weights.Length; block++)
            {
                foreach (int offset in KernelData.ScaleOffsets(type))
                    BitConverter.TryWriteBytes(weights.AsSpan(block * blockBytes + offset), scales[(block + offset) % scales.Length]);
            }
        }
        float[] x = KernelData.Normal(columns, 4);
        for (int i = 0; i < columns; i += 7)
            x[i] *= 1e6f;
        x[5] = float.Epsilon;
        Check(type, weights, x, 0, rows, columns, 1);
    }

    private static void Check(TensorType type, int firstRow, int rows, int columns, int batch)
        => Check(type, KernelData.Weights(type, firstRow + rows, columns, rows),
            KernelData.Normal((batch - 1) * (columns + 3) + columns, columns), firstRow, rows, columns, batch);

    private static void Check(TensorType type, byte[] bytes, float[] activations, int firstRow, int rows, int columns, int batch)
    {
        const float Untouched = 12345;
        int total = firstRow + rows;
        using GuardedMemory<byte> weights = new(bytes);
        using GuardedMemory<float> x = new(activations);
        using GuardedMemory<float> y = new(batch * total);
        using GuardedMemory<float> expected = new(batch * total);
        using GuardedMemory<float> row = new(columns);
        long rowBytes = WeightFormats.RowBytes(type, columns);
        y.Span.Fill(Untouched);
        expected.Span.Fill(Untouched);

        QuantizedMatVec.MultiplyReference(type, weights.Pointer, rowBytes, firstRow, rows, columns,
            x.Pointer, columns + 3, batch, expected.Pointer, total);
        QuantizedMatVec.Multiply(type, weights.Pointer, rowBytes, firstRow, rows, columns,
            x.Pointer, columns + 3, batch, y.Pointer, total);

        for (int r = 0; r < total; r++)
        {
            WeightFormats.DequantizeReference(type, weights.Pointer + r * rowBytes, row.Pointer, columns);
            for (int b = 0; b < batch; b++)
            {
                float want = expected.Pointer[b * total + r], have = y.Pointer[b * total + r];
                double tolerance = r < firstRow ? 0 : 1e-6 * Norm(row.Span) * Norm(x.Span.Slice(b * (columns + 3), columns));
                Assert.True(Math.Abs(want - have) <= tolerance,
                    $"{type} {rows} x {columns}, batch {batch}: y[{b}, {r}] is {have}, not {want}.");
            }
        }
    }

    private static double Norm(ReadOnlySpan<float> values)
    {
        double squares = 0;
        foreach (float value in values)
            squares += (double)value * value;
        return Math.Sqrt(squares);
    }
}
