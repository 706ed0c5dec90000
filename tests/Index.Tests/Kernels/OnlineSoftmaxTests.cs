using Retrieval.Index.Kernels;
using Retrieval.TestKit;
using Xunit;

namespace Retrieval.Index.Tests.Kernels;

public sealed unsafe class OnlineSoftmaxTests
{
    private delegate float Stepping(float* logits, int count, ref float reference, float* laneSums);

    private static readonly Stepping[] Kernels = [OnlineSoftmax.Step, OnlineSoftmax.StepReference];

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
        using var laneSums = new GuardedMemory<float>(OnlineSoftmax.Lanes);
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
            float actual = OnlineSoftmax.Sum(laneSums.Pointer);
            Assert.Equal(top + Math.Log(sum), reference + Math.Log(actual), 1e-5 * Math.Max(1, Math.Abs(top)));
            Assert.Equal(average, weighted / actual, 1e-5);
        }
    }

    private delegate float Narrowing(float* logits, int count, ref float reference, float* laneSums, short* weights, float* unit);

    /// <summary>Weights in whole numbers are those of a step, to half a unit; all else is the same. Pieces with and without a masked start, a masked middle and a maximum that moves.</summary>
    [Theory]
    [MemberData(nameof(Shapes.LengthTheory), MemberType = typeof(Shapes))]
    public void WholeNumbersAreTheWeightsOfAStep(int count)
    {
        int padded = 2 * WholeNumberMultiply.Pairs(count);
        float[] logits = RandomData.Normal(6 * count, 1, 9);
        for (int i = 0; i < logits.Length; i++)
            logits[i] = i < count || i / count == 3 || i % 11 == 4 ? float.NegativeInfinity : logits[i] + (i / count == 4 ? 20 : 0);
        foreach (Narrowing narrow in (Narrowing[])[OnlineSoftmax.StepNarrow, OnlineSoftmax.StepNarrowReference])
        {
            using GuardedMemory<float> sums = new(OnlineSoftmax.Lanes), expectedSums = new(OnlineSoftmax.Lanes), unit = new(1);
            sums.Span.Clear();
            expectedSums.Span.Clear();
            float reference = float.NegativeInfinity, expectedReference = reference;
            for (int piece = 0; piece < 6; piece++)
            {
                using GuardedMemory<float> memory = new(logits.AsSpan(piece * count, count)), expected = new(logits.AsSpan(piece * count, count));
                using var weights = new GuardedMemory<short>(padded);
                float rescale = narrow(memory.Pointer, count, ref reference, sums.Pointer, weights.Pointer, unit.Pointer);
                float expectedRescale = OnlineSoftmax.StepReference(expected.Pointer, count, ref expectedReference, expectedSums.Pointer);
                Assert.Equal(expectedReference, reference);
                // Before the first logit there is nothing to rescale.
                if (expectedSums.Span.ToArray().Any(sum => sum != 0))
                    Assert.Equal(expectedRescale, rescale);
                for (int i = 0; i < count; i++)
                    Assert.Equal(expected.Span[i], weights.Span[i] * unit.Span[0], 0.51 * unit.Span[0] + 5e-6 * expected.Span[i]);
                Assert.Equal(0, padded == count ? 0 : weights.Span[count]);
            }
            Assert.Equal(OnlineSoftmax.Sum(expectedSums.Pointer), OnlineSoftmax.Sum(sums.Pointer), 1e-5 * OnlineSoftmax.Sum(expectedSums.Pointer));
        }
    }

    [Theory]
    [InlineData(5)]
    [InlineData(16)]
    [InlineData(64)]
    public void APieceThatIsMaskedEntirelyAddsNothing(int count)
    {
        float[] masked = [.. Enumerable.Repeat(float.NegativeInfinity, count)];
        using var laneSums = new GuardedMemory<float>(OnlineSoftmax.Lanes);
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
