using Retrieval.Index.Kernels;
using Retrieval.TestKit;
using Xunit;

namespace Retrieval.Index.Tests.Kernels;

public sealed unsafe class RowSieveTests
{
    private delegate int Split(float* logits, int stride, int rows, int group, float* limits, int first, int* numbers, float* passed, int passedStride, float* rest);

    private static readonly Split[] Kernels = [RowSieve.Split, RowSieve.SplitReference];

    public static TheoryData<int> Rows => [0, 16, 32, 48, 240, 1008];

    [Theory]
    [MemberData(nameof(Rows))]
    public void RowsThatReachALimitAndTheSumOfTheOthers(int rows)
    {
        foreach (Split split in Kernels)
        {
            for (int group = 1; group <= 9; group++)
            {
                // None, few, many and all pass.
                foreach (float limit in (float[])[1e30f, 30, 0, -1e30f])
                    Check(split, rows, group, limit);
            }
        }
    }

    private static void Check(Split split, int rows, int group, float limit)
    {
        const int First = 1000;
        int stride = rows + 3, passedStride = rows + 5;
        float[] values = RandomData.Normal(Math.Max(1, group * stride), rows + group, 15);
        // The end of a list: no row of it passes anything but the lowest limit.
        for (int g = 0; g < group && rows > 0; g++)
            values.AsSpan(g * stride + rows - 5, 5).Fill(float.NegativeInfinity);
        using var logits = new GuardedMemory<float>(values.AsSpan(0, (group - 1) * stride + rows));
        using var limits = new GuardedMemory<float>(group);
        using var rest = new GuardedMemory<float>(group);
        using var numbers = new GuardedMemory<int>(rows);
        using var passed = new GuardedMemory<float>((group - 1) * passedStride + rows);
        for (int g = 0; g < group; g++)
            limits.Span[g] = limit + g;
        rest.Span.Fill(0.25f);
        int found = split(logits.Pointer, stride, rows, group, limits.Pointer, First, numbers.Pointer, passed.Pointer, passedStride, rest.Pointer);

        int[] expected = [.. Enumerable.Range(0, rows).Where(r => Enumerable.Range(0, group).Any(g => values[g * stride + r] >= limit + g))];
        Assert.Equal(expected.Select(r => First + r), numbers.Span[..found].ToArray());
        for (int g = 0; g < group; g++)
        {
            Assert.Equal(expected.Select(r => values[g * stride + r]), passed.Span.Slice(g * passedStride, found).ToArray());
            double sum = 0.25 + Enumerable.Range(0, rows).Except(expected).Select(r => values[g * stride + r] - limits.Span[g]).Sum(x => (double)VectorExp.Rough((float)x));
            Assert.Equal(sum, rest.Span[g], sum * 5e-6);
        }
    }
}
