using Retrieval.Index.Kernels;
using Retrieval.TestKit;
using Xunit;

namespace Retrieval.Index.Tests.Kernels;

public sealed unsafe class WeightedByteRowsTests
{
    private const int AllRows = 70;

    private delegate void Accumulation(sbyte* rows, int* offsets, int count, int dim, float* weights, int weightStride, int group, float* output);

    private static readonly Accumulation[] Kernels = [WeightedByteRows.Accumulate, WeightedByteRows.AccumulateReference, ByAddress];

    /// <summary>Multiples of 64, with and without a rest of 16s, and what only the reference takes.</summary>
    public static TheoryData<int> Dims => [8, 16, 40, 48, 64, 80, 128, 144];

    [Theory]
    [MemberData(nameof(Dims))]
    public void SumsOfChosenRowsAreAddedToTheOutput(int dim)
    {
        foreach (int count in (int[])[0, 1, 2, 7, 33, AllRows, 200])
        {
            for (int group = 1; group <= 9; group++)
                Check(dim, count, group);
        }
    }

    /// <summary>The same row twice counts twice.</summary>
    [Fact]
    public void RowsMayRepeatAndComeInAnyOrder()
    {
        foreach (Accumulation accumulate in Kernels)
        {
            float[] output = Run(accumulate, [.. Enumerable.Repeat((sbyte)1, 16), .. Enumerable.Repeat((sbyte)-128, 16)], [16, 0, 16], 16, [10, 3, 5], 3, new float[16]);
            Assert.All(output, x => Assert.Equal(3 - 15 * 128, x));
        }
    }

    private delegate int Taking(
        float* worth, float threshold, byte* memory, int* panels, int count, int rowBytes, float* weights, int stride, int group, int* offsets, float* taken, int takenStride, float* left);

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(7)]
    public void RowsWorthTheThresholdAreTakenAndTheOthersWeightsAddedUp(int count)
    {
        const int RowBytes = 48, ScaleBytes = WeightedByteRows.PanelRows * sizeof(float), PanelBytes = ScaleBytes + WeightedByteRows.PanelRows * RowBytes;
        int rows = count * WeightedByteRows.PanelRows;
        // In another order than they lie, with something in between.
        int[] panels = [.. Enumerable.Range(0, count).Select(k => (count - 1 - k) * (PanelBytes + 64))];
        float[] worth = RandomData.Normal(rows, count), scales = RandomData.Normal(rows, 3);
        using var memory = new GuardedMemory<byte>(count * (PanelBytes + 64));
        for (int row = 0; row < rows; row++)
            ((float*)(memory.Pointer + panels[row / WeightedByteRows.PanelRows]))[row % WeightedByteRows.PanelRows] = scales[row];
        int[] places = [.. Enumerable.Range(0, rows).Select(row => panels[row / WeightedByteRows.PanelRows] + ScaleBytes + row % WeightedByteRows.PanelRows * RowBytes)];
        foreach (int group in (int[])[1, 2, 3, 7])
        {
            int stride = rows + 3, takenStride = rows + 5;
            float[] weights = RandomData.Normal(group * stride, group + count);
            foreach (float threshold in (float[])[float.NegativeInfinity, 0.5f, float.PositiveInfinity])
            {
                int[] expected = [.. Enumerable.Range(0, rows).Where(i => worth[i] >= threshold)];
                foreach (Taking take in (Taking[])[WeightedByteRows.Take, WeightedByteRows.TakeReference])
                {
                    using var guardedWorth = new GuardedMemory<float>(worth);
                    using var guardedPanels = new GuardedMemory<int>(panels);
                    using var guardedWeights = new GuardedMemory<float>(weights.AsSpan(0, (group - 1) * stride + rows));
                    using var offsets = new GuardedMemory<int>(rows);
                    using var taken = new GuardedMemory<float>((group - 1) * takenStride + rows);
                    using var left = new GuardedMemory<float>(group);
                    left.Span.Fill(0.25f);
                    int found = take(
                        guardedWorth.Pointer, threshold, memory.Pointer, guardedPanels.Pointer, count, RowBytes, guardedWeights.Pointer, stride, group, offsets.Pointer, taken.Pointer, takenStride, left.Pointer);
                    Assert.Equal(expected.Select(i => places[i]), offsets.Span[..found].ToArray());
                    for (int g = 0; g < group; g++)
                    {
                        Assert.Equal(expected.Select(i => weights[g * stride + i] * scales[i]), taken.Span.Slice(g * takenStride, found).ToArray());
                        double rest = 0.25 + Enumerable.Range(0, rows).Except(expected).Sum(i => (double)weights[g * stride + i]);
                        Assert.Equal(rest, left.Span[g], 1e-5 * (1 + rows));
                    }
                }
            }
        }
    }

    /// <summary>Rows that have nothing to be relative to.</summary>
    private static void ByAddress(sbyte* rows, int* offsets, int count, int dim, float* weights, int weightStride, int group, float* output)
    {
        using var addresses = new GuardedMemory<nint>([.. new ReadOnlySpan<int>(offsets, count).ToArray().Select(offset => (nint)rows + offset)]);
        WeightedByteRows.Accumulate(null, addresses.Pointer, count, dim, weights, weightStride, group, output);
    }

    private static void Check(int dim, int count, int group)
    {
        int stride = count + 3;
        // The last row is always chosen: it ends at the guard.
        int[] offsets = [.. Enumerable.Range(0, count).Select(c => (AllRows - 1 - c * 37 % AllRows) * dim)];
        sbyte[] rows = Bytes.Random(AllRows * dim, dim + count);
        float[] weights = RandomData.Normal((group - 1) * stride + count, count), start = RandomData.Normal(group * dim, group);
        foreach (Accumulation accumulate in Kernels)
        {
            float[] output = Run(accumulate, rows, offsets, dim, weights, stride, start);
            for (int g = 0; g < group; g++)
            {
                for (int i = 0; i < dim; i++)
                {
                    double sum = start[g * dim + i], magnitude = Math.Abs(sum);
                    for (int c = 0; c < count; c++)
                    {
                        double product = (double)weights[g * stride + c] * rows[offsets[c] + i];
                        sum += product;
                        magnitude += Math.Abs(product);
                    }
                    if (!Shapes.IsNear(sum, output[g * dim + i], magnitude))
                        Shapes.Near(sum, output[g * dim + i], magnitude, $"{accumulate.Method.Name}, dim {dim}, {count} rows, query {g} of {group}, element {i}");
                }
            }
        }
    }

    private static float[] Run(Accumulation accumulate, sbyte[] rows, int[] offsets, int dim, float[] weights, int weightStride, float[] start)
    {
        using var guardedRows = new GuardedMemory<sbyte>(rows);
        using var guardedOffsets = new GuardedMemory<int>(offsets);
        using var guardedWeights = new GuardedMemory<float>(weights);
        using var output = new GuardedMemory<float>(start);
        accumulate(
            guardedRows.Pointer, guardedOffsets.Pointer, offsets.Length, dim, guardedWeights.Pointer, weightStride, start.Length / dim, output.Pointer);
        return output.Span.ToArray();
    }
}
