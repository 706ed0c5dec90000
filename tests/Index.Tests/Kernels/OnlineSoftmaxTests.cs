using Retrieval.Index.Kernels;
using Retrieval.TestKit;
using Xunit;

namespace Retrieval.Index.Tests.Kernels;

public sealed unsafe class OnlineSoftmaxTests
{
    private delegate float Stepping(float* logits, int count, ref float max, ref float sum);

    private static readonly Stepping[] Kernels = [OnlineSoftmax.Step, OnlineSoftmax.StepReference];

    [Theory]
    [MemberData(nameof(Shapes.LengthTheory), MemberType = typeof(Shapes))]
    public void OnePieceEqualsTheDefinition(int count)
    {
        float[] logits = RandomData.Normal(count, count, 6);
        if (count > 2)
            logits[count / 2] = float.NegativeInfinity;
        double largest = logits.DefaultIfEmpty(float.NegativeInfinity).Max();
        foreach (Stepping step in Kernels)
        {
            (float max, float sum) = (float.NegativeInfinity, 0);
            float[] weights = Apply(step, logits, ref max, ref sum, out _);
            Assert.Equal((float)largest, max);
            Shapes.Near(logits.Sum(x => Math.Exp(x - largest)), sum, sum, $"sum of {count}");
            for (int i = 0; i < count; i++)
                Assert.Equal(Math.Exp(logits[i] - largest), weights[i], 3e-7);
        }
    }

    /// <summary>The state and the rescaled weighted sum after pieces of any size are those of the whole.</summary>
    [Theory]
    [InlineData(1)]
    [InlineData(20)]
    [InlineData(70)]
    [InlineData(300)]
    public void PiecesEqualTheWhole(int largestPiece)
    {
        const int Total = 1500;
        // Rising on average, so that the maximum changes many times; some masked, one stretch entirely.
        float[] logits = RandomData.Normal(Total, 1, 5), values = RandomData.Normal(Total, 2);
        for (int i = 0; i < Total; i++)
            logits[i] = i < 100 || i % 13 == 5 || i is > 600 and < 760 ? float.NegativeInfinity : logits[i] + i * 0.05f;
        double top = logits.Max(), total = logits.Sum(x => Math.Exp(x - top));
        double average = logits.Zip(values, (x, v) => Math.Exp(x - top) * v).Sum() / total;
        foreach (Stepping step in Kernels)
        {
            (float max, float sum) = (float.NegativeInfinity, 0);
            double weighted = 0;
            int first = 0;
            foreach (int size in RandomData.Portions(Total, largestPiece, 9))
            {
                float before = max;
                float[] weights = Apply(step, logits[first..(first + size)], ref max, ref sum, out float rescale);
                Assert.True(max >= before);
                if (max == before)
                    Assert.Equal(1, rescale);
                weighted *= rescale;
                for (int i = 0; i < size; i++)
                    weighted += weights[i] * values[first + i];
                first += size;
            }
            Assert.Equal((float)top, max);
            Assert.Equal(total, sum, 1e-5 * total);
            Assert.Equal(average, weighted / sum, 1e-5);
        }
    }

    [Theory]
    [InlineData(3)]
    [InlineData(16)]
    [InlineData(40)]
    public void APieceThatIsMaskedEntirelyChangesNothing(int count)
    {
        float[] masked = [.. Enumerable.Repeat(float.NegativeInfinity, count)];
        foreach (Stepping step in Kernels)
        {
            (float max, float sum) = (float.NegativeInfinity, 0);
            Assert.All(Apply(step, masked, ref max, ref sum, out float rescale), weight => Assert.Equal(0, weight));
            Assert.Equal((float.NegativeInfinity, 0f, 1f), (max, sum, rescale));

            (max, sum) = (3, 2);
            Assert.All(Apply(step, masked, ref max, ref sum, out rescale), weight => Assert.Equal(0, weight));
            Assert.Equal((3f, 2f, 1f), (max, sum, rescale));
        }
    }

    [Theory]
    [InlineData(5)]
    [InlineData(50)]
    public void LargeLogitsDoNotOverflow(int count)
    {
        float[] logits = new float[count];
        Array.Fill(logits, -3e38f);
        logits[count - 1] = 3e38f;
        foreach (Stepping step in Kernels)
        {
            (float max, float sum) = (float.NegativeInfinity, 0);
            float[] weights = Apply(step, logits, ref max, ref sum, out _);
            Assert.Equal((3e38f, 1f, 1f), (max, sum, weights[^1]));
            Assert.Equal(0, weights[0]);
        }
    }

    private static float[] Apply(Stepping step, float[] logits, ref float max, ref float sum, out float rescale)
    {
        using var memory = new GuardedMemory<float>(logits);
        rescale = step(memory.Pointer, logits.Length, ref max, ref sum);
        return memory.Span.ToArray();
    }
}
