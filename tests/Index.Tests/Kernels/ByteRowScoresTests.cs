using Retrieval.Index.Kernels;
using Retrieval.TestKit;
using Xunit;

namespace Retrieval.Index.Tests.Kernels;

public sealed unsafe class ByteRowScoresTests
{
    private const float Untouched = -123;
    private const int AllRows = 40;

    private delegate void Scoring(nint* rows, float* scales, int count, int dim, float* queries, int group, float* scores, int stride);

    private static readonly Scoring[] Kernels = [ByteRowScores.Compute, ByteRowScores.ComputeReference];

    /// <summary>Multiples of 16, and what only the reference takes.</summary>
    public static TheoryData<int> Dims => [8, 16, 40, 48, 64, 80, 128, 144];

    /// <summary>Rows in any order and more than once; numbers of them with and without a rest after fours, groups after threes.</summary>
    [Theory]
    [MemberData(nameof(Dims))]
    public void DotProductsOfEveryRowAndQuery(int dim)
    {
        foreach (int count in (int[])[0, 1, 2, 3, 4, 5, 7, 8, 33, 192])
        {
            for (int group = 1; group <= 9; group++)
                Check(dim, count, group);
        }
    }

    /// <summary>A row's score does not depend on where among the others it stands.</summary>
    [Fact]
    public void EqualRowsScoreAlikeWhereverTheyStand()
    {
        const int Dim = 64, Count = 7;
        sbyte[] row = Bytes.Random(Dim, 1);
        using var memory = new GuardedMemory<sbyte>(row);
        float[] scores = Run(ByteRowScores.Compute, [.. Enumerable.Repeat((nint)memory.Pointer, Count)], [.. Enumerable.Repeat(0.01f, Count)], Dim, RandomData.Normal(2 * Dim, 2), 2, Count);
        Assert.All(scores[..Count], x => Assert.Equal(scores[0], x));
        Assert.All(scores[Count..], x => Assert.Equal(scores[Count], x));
    }

    private static void Check(int dim, int count, int group)
    {
        sbyte[] bytes = Bytes.Random(AllRows * dim, dim);
        float[] scales = RandomData.Normal(count, group), queries = RandomData.Normal(group * dim, count);
        using var memory = new GuardedMemory<sbyte>(bytes);
        int[] chosen = [.. Enumerable.Range(0, count).Select(i => (7 * i + 3) % AllRows)];
        nint[] rows = [.. chosen.Select(row => (nint)(memory.Pointer + row * dim))];
        int stride = count + 3;
        foreach (Scoring compute in Kernels)
        {
            float[] scores = Run(compute, rows, scales, dim, queries, group, stride);
            for (int g = 0; g < group; g++)
            {
                for (int r = 0; r < count; r++)
                {
                    double sum = 0, magnitude = 0;
                    for (int i = 0; i < dim; i++)
                    {
                        double product = (double)scales[r] * queries[g * dim + i] * bytes[chosen[r] * dim + i];
                        sum += product;
                        magnitude += Math.Abs(product);
                    }
                    if (!Shapes.IsNear(sum, scores[g * stride + r], magnitude))
                        Shapes.Near(sum, scores[g * stride + r], magnitude, $"{compute.Method.Name}, dim {dim}, row {r} of {count}, query {g} of {group}");
                }
                for (int at = g * stride + count; at < Math.Min(scores.Length, (g + 1) * stride); at++)
                    Assert.Equal(Untouched, scores[at]);
            }
        }
    }

    private static float[] Run(Scoring compute, nint[] rows, float[] scales, int dim, float[] queries, int group, int stride)
    {
        using var guardedRows = new GuardedMemory<nint>(rows);
        using var guardedScales = new GuardedMemory<float>(scales);
        using var guardedQueries = new GuardedMemory<float>(queries);
        using var scores = new GuardedMemory<float>((group - 1) * stride + rows.Length);
        scores.Span.Fill(Untouched);
        compute(guardedRows.Pointer, guardedScales.Pointer, rows.Length, dim, guardedQueries.Pointer, group, scores.Pointer, stride);
        return scores.Span.ToArray();
    }
}
