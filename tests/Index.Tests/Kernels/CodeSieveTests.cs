using Retrieval.Index.Kernels;
using Retrieval.TestKit;
using Xunit;

namespace Retrieval.Index.Tests.Kernels;

public sealed unsafe class CodeSieveTests
{
    private const int BlockRows = CodeScan.BlockRows;

    public static TheoryData<int> Subspaces => [8, 40, 256];

    /// <summary>The rows that pass are those of the two kernels that it stands for, to the bit; sums are taken in another order.</summary>
    [Theory]
    [MemberData(nameof(Subspaces))]
    public void IsAScanAndASieve(int subspaces)
    {
        foreach (int rows in (int[])[.. Shapes.Lengths, 2, 48, 129])
        {
            for (int group = 1; group <= 4; group++)
            {
                // All, some, few and none pass.
                foreach (float limit in (float[])[-1e30f, 0, 2, 1e30f])
                    Check(subspaces, rows, group, limit, new Random(subspaces + 100 * rows + group));
            }
        }
    }

    private static void Check(int subspaces, int rows, int group, float limit, Random random)
    {
        int whole = (rows + BlockRows - 1) / BlockRows * BlockRows, stride = whole + 3, tableBytes = CodeScan.TableBytes(subspaces);
        byte[] codes = new byte[whole / BlockRows * CodeScan.BlockBytes(subspaces)];
        random.NextBytes(codes);
        byte[] tables = [.. Enumerable.Range(0, group * tableBytes).Select(_ => (byte)random.Next(CodeScan.MostOfEntry + 1))];
        // Sums around nought, a few nats wide.
        float step = 3 / (37 * MathF.Sqrt(subspaces));
        float[] scale = [.. Enumerable.Repeat(step, group)], shift = [.. Enumerable.Repeat(-step * subspaces * CodeScan.MostOfEntry / 2, group)];
        float[] limits = [.. Enumerable.Range(0, group).Select(g => limit + g)];
        (int[] expected, float[] expectedLogits, float[] expectedRest) = Run(CodeSieve.SplitReference, codes, rows, subspaces, tables, shift, scale, limits, stride, group);
        (int[] numbers, float[] logits, float[] rest) = Run(CodeSieve.Split, codes, rows, subspaces, tables, shift, scale, limits, stride, group);
        Assert.Equal(expected, numbers);
        Assert.Equal(expectedLogits, logits);
        Assert.True(limit > -1 || expected.Length == rows);
        Assert.True(limit < 100 || expected.Length == 0);
        for (int g = 0; g < group; g++)
            Assert.Equal(expectedRest[g], rest[g], expectedRest[g] * 5e-6f);
    }

    private delegate int Split(
        byte* codes, int rows, int subspaces, byte* tables, int group, float* shift, float* scale, float* limits, int first, int* numbers, float* passed, int passedStride, float* rest, float* logits, int stride);

    private static (int[] Numbers, float[] Logits, float[] Sums) Run(
        Split split, byte[] codes, int rows, int subspaces, byte[] tables, float[] shift, float[] scale, float[] limits, int stride, int group)
    {
        const int First = 1000;
        int whole = (rows + BlockRows - 1) / BlockRows * BlockRows, passedStride = whole + 5;
        using var guardedCodes = new GuardedMemory<byte>(codes);
        using var guardedTables = new GuardedMemory<byte>(tables);
        using var guardedShift = new GuardedMemory<float>(shift);
        using var guardedScale = new GuardedMemory<float>(scale);
        using var guardedLimits = new GuardedMemory<float>(limits);
        using var rest = new GuardedMemory<float>(group);
        using var numbers = new GuardedMemory<int>(whole);
        using var passed = new GuardedMemory<float>((group - 1) * passedStride + whole);
        using var logits = new GuardedMemory<float>((group - 1) * stride + whole);
        rest.Span.Fill(0.25f);
        int found = split(
            guardedCodes.Pointer, rows, subspaces, guardedTables.Pointer, group, guardedShift.Pointer, guardedScale.Pointer, guardedLimits.Pointer, First,
            numbers.Pointer, passed.Pointer, passedStride, rest.Pointer, logits.Pointer, stride);
        float[] taken = [.. Enumerable.Range(0, group).SelectMany(g => passed.Span.Slice(g * passedStride, found).ToArray())];
        return (numbers.Span[..found].ToArray(), taken, rest.Span.ToArray());
    }
}
