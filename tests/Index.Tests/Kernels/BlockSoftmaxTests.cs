using Retrieval.Index.Kernels;
using Retrieval.TestKit;
using Xunit;

namespace Retrieval.Index.Tests.Kernels;

public sealed unsafe class BlockSoftmaxTests
{
    private delegate float Stepping(float* logits, int count, ref float reference, float* laneSums);

    private static readonly Stepping[] Kernels = [BlockSoftmax.Step, BlockSoftmax.StepReference];

    /// <summary>Sum and rescaled weighted sum after many pieces are those of the whole, whatever the drift of the maximum.</summary>
    [Theory]
    [InlineData(16, 0.05f)]
    [InlineData(64, 0.05f)]
    [InlineData(64, 0f)]
    [InlineData(64, -0.05f)]
    [InlineData(48, 1f)]
    [InlineData(7, 0.05f)]
    [InlineData(17, -0.3f)]
    public void PiecesEqualTheWhole(int piece, float drift)
    {
        int total = 30 * piece;
        float[] logits = RandomData.Normal(total, 1, 5), values = RandomData.Normal(total, 2);
        // Whole pieces masked at the start and in the middle, and single positions.
        for (int i = 0; i < total; i++)
            logits[i] = i < 2 * piece || i % 13 == 5 || i / piece is 11 or 12 ? float.NegativeInfinity : logits[i] + i * drift;
        double top = logits.Max(), sum = logits.Sum(x => Math.Exp(x - top));
        double average = logits.Zip(values, (x, v) => Math.Exp(x - top) * v).Sum() / sum;
        using var laneSums = new GuardedMemory<float>(BlockSoftmax.Lanes);
        foreach (Stepping step in Kernels)
        {
            laneSums.Span.Clear();
            float reference = float.NegativeInfinity;
            double weighted = 0;
            for (int first = 0; first < total; first += piece)
            {
                using var memory = new GuardedMemory<float>(logits.AsSpan(first, piece));
                float before = reference, rescale = step(memory.Pointer, piece, ref reference, laneSums.Pointer);
                Assert.True(reference >= before);
                if (reference == before && !float.IsNegativeInfinity(reference))
                    Assert.Equal(1, rescale);
                weighted *= rescale;
                for (int i = 0; i < piece; i++)
                {
                    Assert.InRange(memory.Span[i], 0, 3000); // e⁸ at most
                    weighted += memory.Span[i] * values[first + i];
                }
            }
            float actual = BlockSoftmax.Sum(laneSums.Pointer);
            Assert.Equal(top + Math.Log(sum), reference + Math.Log(actual), 1e-5 * Math.Max(1, Math.Abs(top)));
            Assert.Equal(average, weighted / actual, 1e-5);
        }
    }

    [Theory]
    [InlineData(5)]
    [InlineData(16)]
    [InlineData(64)]
    public void APieceThatIsMaskedEntirelyAddsNothing(int count)
    {
        float[] masked = [.. Enumerable.Repeat(float.NegativeInfinity, count)];
        using var laneSums = new GuardedMemory<float>(BlockSoftmax.Lanes);
        foreach (Stepping step in Kernels)
        {
            foreach (float start in (float[])[float.NegativeInfinity, 3])
            {
                laneSums.Span.Fill(float.IsFinite(start) ? 2 : 0);
                float[] before = laneSums.Span.ToArray();
                float reference = start;
                using var memory = new GuardedMemory<float>(masked);
                float rescale = step(memory.Pointer, count, ref reference, laneSums.Pointer);
                Assert.Equal(start, reference);
                Assert.Equal(before, laneSums.Span.ToArray());
                Assert.All(memory.Span.ToArray(), weight => Assert.Equal(0, weight));
                Assert.True(float.IsFinite(rescale) && (rescale == 1 || !float.IsFinite(start)));
            }
        }
    }
}
