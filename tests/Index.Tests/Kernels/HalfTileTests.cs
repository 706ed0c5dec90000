using Retrieval.Index.Kernels;
using Retrieval.TestKit;
using Xunit;

namespace Retrieval.Index.Tests.Kernels;

public sealed unsafe class HalfTileTests
{
    private const float Untouched = -123;

    private delegate void Kernel(ushort* rows, int count, int dim, float* queriesOrWeights, int stride, int group, float* output);

    private static readonly Kernel[] Scoring =
    [
        (rows, count, dim, queries, stride, group, scores) => HalfTile.Scores(rows, count, dim, queries, group, scores, stride),
        (rows, count, dim, queries, stride, group, scores) => HalfTile.ScoresReference(rows, count, dim, queries, group, scores, stride),
    ];

    private static readonly Kernel[] Adding = [HalfTile.Accumulate, HalfTile.AccumulateReference];

    [Theory]
    [MemberData(nameof(Shapes.LengthTheory), MemberType = typeof(Shapes))]
    public void DotProductsOfEveryRowAndQuery(int count)
    {
        foreach (int dim in Shapes.Dims)
        {
            foreach (int group in (int[])[1, 2, 3, 4, 7])
            {
                foreach (Kernel kernel in Scoring)
                    CheckScores(kernel, count, dim, group, count + group);
            }
        }
    }

    [Theory]
    [MemberData(nameof(Shapes.LengthTheory), MemberType = typeof(Shapes))]
    public void WeightedRowsAreAddedToTheOutput(int count)
    {
        foreach (int dim in Shapes.Dims)
        {
            foreach (int group in (int[])[1, 2, 3, 4, 7])
            {
                foreach (Kernel kernel in Adding)
                    CheckSums(kernel, count, dim, group, count + group);
            }
        }
    }

    /// <summary>The largest and the smallest halves, subnormal ones included, keep their digits.</summary>
    [Fact]
    public void HalvesOfEverySizeCount()
    {
        Half[] some = [Half.MaxValue, -Half.MaxValue, Half.Epsilon, -Half.Epsilon, (Half)6.1e-5f, (Half)3e-6f, (Half)1, (Half)(-0.1f), (Half)0f, Half.NegativeZero, (Half)3000, (Half)0.5f];
        const int Dim = 16;
        foreach (Half half in some)
        {
            using var row = new GuardedMemory<ushort>([.. Enumerable.Range(0, Dim).Select(i => i == 5 ? BitConverter.HalfToUInt16Bits(half) : (ushort)0)]);
            using var query = new GuardedMemory<float>([.. Enumerable.Repeat(0.75f * HalfTile.Unit, Dim)]);
            using var score = new GuardedMemory<float>(1);
            using var output = new GuardedMemory<float>(Dim);
            foreach ((Kernel scores, Kernel adds) in Scoring.Zip(Adding))
            {
                output.Span.Clear();
                scores(row.Pointer, 1, Dim, query.Pointer, 1, 1, score.Pointer);
                adds(row.Pointer, 1, Dim, query.Pointer, 1, 1, output.Pointer);
                Assert.Equal(0.75f * (float)half, score.Span[0]);
                Assert.Equal(0.75f * (float)half, output.Span[5]);
            }
        }
    }

    private static void CheckScores(Kernel kernel, int count, int dim, int group, int stride)
    {
        (float[] values, ushort[] halves) = Halves(count * dim, dim);
        float[] queries = RandomData.Normal(group * dim, count + 1);
        using var rows = new GuardedMemory<ushort>(halves);
        using var scaled = new GuardedMemory<float>([.. queries.Select(x => x * HalfTile.Unit)]);
        using var scores = new GuardedMemory<float>(group * stride);
        scores.Span.Fill(Untouched);
        kernel(rows.Pointer, count, dim, scaled.Pointer, stride, group, scores.Pointer);
        for (int g = 0; g < group; g++)
        {
            for (int r = 0; r < count; r++)
            {
                double sum = 0, magnitude = 0;
                for (int i = 0; i < dim; i++)
                {
                    double product = (double)values[r * dim + i] * queries[g * dim + i];
                    sum += product;
                    magnitude += Math.Abs(product);
                }
                Shapes.Near(sum, scores.Span[g * stride + r], magnitude, $"dim {dim}, row {r} of {count}, query {g} of {group}");
            }
            for (int r = count; r < stride; r++)
                Assert.Equal(Untouched, scores.Span[g * stride + r]);
        }
    }

    private static void CheckSums(Kernel kernel, int count, int dim, int group, int stride)
    {
        (float[] values, ushort[] halves) = Halves(count * dim, dim);
        float[] weights = RandomData.Normal(group * stride, count), before = RandomData.Normal(group * dim, 3);
        using var rows = new GuardedMemory<ushort>(halves);
        using var scaled = new GuardedMemory<float>([.. weights.Select(x => x * HalfTile.Unit)]);
        using var output = new GuardedMemory<float>(before);
        kernel(rows.Pointer, count, dim, scaled.Pointer, stride, group, output.Pointer);
        for (int g = 0; g < group; g++)
        {
            for (int i = 0; i < dim; i++)
            {
                double sum = before[g * dim + i], magnitude = Math.Abs(sum);
                for (int r = 0; r < count; r++)
                {
                    double product = (double)weights[g * stride + r] * values[r * dim + i];
                    sum += product;
                    magnitude += Math.Abs(product);
                }
                Shapes.Near(sum, output.Span[g * dim + i], magnitude, $"dim {dim}, {count} rows, query {g} of {group}, column {i}");
            }
        }
    }

    private static (float[] Values, ushort[] Halves) Halves(int count, int seed)
    {
        Half[] halves = [.. RandomData.Normal(count, seed).Select(x => (Half)x)];
        return ([.. halves.Select(x => (float)x)], [.. halves.Select(BitConverter.HalfToUInt16Bits)]);
    }
}
