using Retrieval.Index.Kernels;
using Retrieval.TestKit;
using Xunit;

namespace Retrieval.Index.Tests.Kernels;

public sealed unsafe class ScannedWeightsTests
{
    private const float Untouched = -123;
    private const int BlockRows = CodeScan.BlockRows;

    private delegate void Weighting(
        nint* codes, int* rows, int lists, int subspaces, byte* tables, int group, float* shifts, float* scale, float* weights, int stride, float* groupWeights, float* sums, float* largest);

    private static readonly Weighting[] Kernels = [ScannedWeights.Compute, ScannedWeights.ComputeReference];

    public static TheoryData<int> Subspaces => [8, 16, 24, 32, 256];

    /// <summary>No list, lists of odd numbers of rows, whole blocks among them, and groups with and without a rest after threes.</summary>
    [Theory]
    [MemberData(nameof(Subspaces))]
    public void WeightsAreThoseOfTheLogitsOfTheCodes(int subspaces)
    {
        foreach (int[] rows in (int[][])[[], [1], [16], [64, 3, 33, 16, 17], [.. Shapes.Lengths]])
        {
            for (int group = 1; group <= 9; group++)
                Check(subspaces, rows, group, scale: 0.05f);
        }
    }

    /// <summary>Codes that promise far too much, or next to nothing, leave finite weights, and the largest logit tells.</summary>
    [Theory]
    [InlineData(1f)]
    [InlineData(-1f)]
    [InlineData(1e20f)]
    [InlineData(-1e20f)]
    public void WeightsStayFiniteWhateverTheScale(float scale) => Check(16, [40, 7], 3, scale);

    private static void Check(int subspaces, int[] rows, int group, float scale)
    {
        int[] whole = [.. rows.Select(x => (x + BlockRows - 1) / BlockRows * BlockRows)];
        int lists = rows.Length, places = whole.Sum(), stride = places + 5, blockBytes = CodeScan.BlockBytes(subspaces);
        var random = new Random(subspaces + group);
        byte[] codes = new byte[places / BlockRows * blockBytes], tables = [.. Enumerable.Range(0, group * CodeScan.TableBytes(subspaces)).Select(_ => (byte)random.Next(CodeScan.MostOfEntry + 1))];
        random.NextBytes(codes);
        // In another order than they lie.
        using var guardedCodes = new GuardedMemory<byte>(codes);
        int[] firstBlock = new int[lists];
        for (int i = lists - 1, block = 0; i >= 0; block += whole[i] / BlockRows, i--)
            firstBlock[i] = block;
        using var starts = new GuardedMemory<nint>([.. firstBlock.Select(block => (nint)(guardedCodes.Pointer + block * blockBytes))]);
        using var guardedRows = new GuardedMemory<int>(rows);
        using var guardedTables = new GuardedMemory<byte>(tables);
        using var shifts = new GuardedMemory<float>(RandomData.Normal(lists * group, subspaces, 3));
        using var scales = new GuardedMemory<float>([.. Enumerable.Range(1, group).Select(g => scale / g)]);

        var logits = new float[group * places];
        fixed (float* logit = logits)
        {
            for (int i = 0, at = 0; i < lists; at += whole[i++])
                CodeScan.LogitsReference((byte*)starts.Pointer[i], rows[i], subspaces, guardedTables.Pointer, group, shifts.Pointer + i * group, scales.Pointer, logit + at, places);
        }
        foreach (Weighting compute in Kernels)
        {
            using var weights = new GuardedMemory<float>((group - 1) * stride + places);
            using var groupWeights = new GuardedMemory<float>(places);
            using var sums = new GuardedMemory<float>(lists * group);
            using var largest = new GuardedMemory<float>(group);
            weights.Span.Fill(Untouched);
            groupWeights.Span.Fill(Untouched);
            sums.Span.Fill(Untouched);
            // What stands there counts: of several queries one has seen more than all rows give.
            largest.Span.Fill(float.NegativeInfinity);
            if (group > 1)
                largest.Span[0] = float.MaxValue;
            compute(
                starts.Pointer, guardedRows.Pointer, lists, subspaces, guardedTables.Pointer, group, shifts.Pointer, scales.Pointer, weights.Pointer, stride, groupWeights.Pointer, sums.Pointer, largest.Pointer);
            string what = $"{compute.Method.Name}, {subspaces} sub-spaces, {lists} lists, group {group}";
            var groupSums = new double[places];
            for (int g = 0; g < group; g++)
            {
                for (int i = 0, at = 0; i < lists; at += whole[i++])
                {
                    double sum = 0;
                    for (int r = at; r < at + whole[i]; r++)
                    {
                        float expected = VectorExp.Rough(MathF.Min(logits[g * places + r], 40));
                        Assert.Equal(expected, weights.Span[g * stride + r]);
                        sum += expected;
                        groupSums[r] += expected;
                    }
                    Near(sum, sums.Span[i * group + g], what);
                }
                for (int r = places; r < Math.Min(stride, weights.Length - g * stride); r++)
                    Assert.Equal(Untouched, weights.Span[g * stride + r]);
                Assert.Equal(g == 0 && group > 1 ? float.MaxValue : logits.AsSpan(g * places, places).ToArray().Append(float.NegativeInfinity).Max(), largest.Span[g]);
            }
            for (int r = 0; r < places; r++)
                Near(groupSums[r], groupWeights.Span[r], what);
        }
    }

    private static void Near(double expected, float actual, string what)
    {
        if (!(Math.Abs(expected - actual) <= 1e-5 * expected))
            Assert.Fail($"{what}: {actual} where {expected} is right");
    }
}
