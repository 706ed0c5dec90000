using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Retrieval.Index.Kernels;

/// <summary>
/// The running state of a softmax over logits that arrive in pieces (arXiv 1805.02867). Logits are taken relative to a reference
/// that moves only when a piece exceeds it by more than <see cref="Slack"/>, so that exponentials need not wait for the piece's
/// maximum, and sums stay spread over lanes until <see cref="Sum"/>; both matter where thousands of short pieces follow one another.
/// </summary>
public static unsafe class OnlineSoftmax
{
    /// <summary>Floats of a row's lane sums.</summary>
    public const int Lanes = 16;

    // exp(8) a token leaves room for 10^34 tokens in a float.
    private const float Slack = 8;

    /// <summary>Reference. As <see cref="Step"/>.</summary>
    public static float StepReference(float* logits, int count, ref float reference, float* laneSums)
    {
        float max = float.NegativeInfinity;
        for (int i = 0; i < count; i++)
            max = MathF.Max(max, logits[i]);
        float rescale = 1;
        if (max > reference + Slack || float.IsNegativeInfinity(reference))
        {
            rescale = float.IsNegativeInfinity(reference) ? 0 : VectorExp.Exp(reference - max);
            reference = max;
            for (int lane = 0; lane < Lanes; lane++)
                laneSums[lane] *= rescale;
        }
        for (int i = 0; i < count; i++)
            laneSums[i % Lanes] += logits[i] = float.IsNegativeInfinity(logits[i]) ? 0 : VectorExp.Exp(logits[i] - reference);
        return rescale;
    }

    /// <summary>Takes in a piece: logits become weights exp(logit − reference), within 4e-6 of themselves, added to the lane sums.</summary>
    /// <param name="logits">[count]; −∞ marks a masked position. Overwritten with the weights.</param>
    /// <param name="reference">−∞ at the start.</param>
    /// <param name="laneSums">[<see cref="Lanes"/>]; 0 at the start.</param>
    /// <returns>What earlier weighted sums must be multiplied with; nearly always 1.</returns>
    public static float Step(float* logits, int count, ref float reference, float* laneSums)
    {
        if (!Vector256.IsHardwareAccelerated || count % 16 != 0 || count == 0)
            return StepReference(logits, count, ref reference, laneSums);

        Vector512<float> max = Vector512.Load(logits);
        for (int i = 16; i < count; i += 16)
            max = Vector512.MaxNative(max, Vector512.Load(logits + i));
        float rescale = 1;
        if (Vector512.GreaterThanAny(max, Vector512.Create(reference + Slack)))
            rescale = MoveReference(max, ref reference, laneSums);
        else if (float.IsNegativeInfinity(reference))
            return Nothing(logits, count);

        Vector512<float> shift = Vector512.Create(reference), sum = Vector512.Load(laneSums);
        for (int i = 0; i < count; i += 16)
        {
            Vector512<float> weight = VectorExp.Approximate(Vector512.Load(logits + i) - shift);
            weight.Store(logits + i);
            sum += weight;
        }
        sum.Store(laneSums);
        return rescale;
    }

    /// <summary>Reference. As <see cref="StepNarrow"/>.</summary>
    public static float StepNarrowReference(float* logits, int count, ref float reference, float* laneSums, short* weights, float* unit)
    {
        float rescale = StepReference(logits, count, ref reference, laneSums);
        WholeNumberMultiply.NarrowRowsReference(logits, 1, count, weights, unit);
        return rescale;
    }

    /// <summary><see cref="Step"/> and <see cref="WholeNumberMultiply.NarrowRows"/> at once: of a tile of 64 the weights need not go through memory.</summary>
    /// <param name="logits">[count]; undefined afterwards.</param>
    /// <param name="weights">[2 · <see cref="WholeNumberMultiply.Pairs"/>]: the weights in whole numbers.</param>
    /// <param name="unit">Receives what a whole number is worth.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)] // It has no loop, for which methods are compiled optimised at once.
    public static float StepNarrow(float* logits, int count, ref float reference, float* laneSums, short* weights, float* unit)
    {
        if (count != 4 * Lanes || !Avx512BW.IsSupported || Moves(logits, reference))
            return StepThenNarrow(logits, count, ref reference, laneSums, weights, unit);
        Vector512<float> shift = Vector512.Create(reference);
        Vector512<float> a = VectorExp.Approximate(Vector512.Load(logits) - shift), b = VectorExp.Approximate(Vector512.Load(logits + Lanes) - shift);
        Vector512<float> c = VectorExp.Approximate(Vector512.Load(logits + 2 * Lanes) - shift), d = VectorExp.Approximate(Vector512.Load(logits + 3 * Lanes) - shift);
        (Vector512.Load(laneSums) + (a + b + (c + d))).Store(laneSums);
        WholeNumberMultiply.NarrowRow(a, b, c, d, weights, unit);
        return 1;
    }

    /// <summary>Sum of all weights so far.</summary>
    public static float Sum(float* laneSums)
    {
        float sum = 0;
        for (int lane = 0; lane < Lanes; lane++)
            sum += laneSums[lane];
        return sum;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static float MoveReference(Vector512<float> max, ref float reference, float* laneSums)
    {
        float largest = float.NegativeInfinity;
        for (int lane = 0; lane < Lanes; lane++)
            largest = MathF.Max(largest, max[lane]);
        float rescale = float.IsNegativeInfinity(reference) ? 0 : VectorExp.Exp(reference - largest);
        reference = largest;
        for (int lane = 0; lane < Lanes; lane++)
            laneSums[lane] *= rescale;
        return rescale;
    }

    /// <summary>Would a piece of 64 move the reference, or is there none yet?</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static bool Moves(float* logits, float reference)
    {
        Vector512<float> first = Vector512.MaxNative(Vector512.Load(logits), Vector512.Load(logits + Lanes));
        Vector512<float> second = Vector512.MaxNative(Vector512.Load(logits + 2 * Lanes), Vector512.Load(logits + 3 * Lanes));
        return float.IsNegativeInfinity(reference) || Vector512.GreaterThanAny(Vector512.MaxNative(first, second), Vector512.Create(reference + Slack));
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static float StepThenNarrow(float* logits, int count, ref float reference, float* laneSums, short* weights, float* unit)
    {
        float rescale = Step(logits, count, ref reference, laneSums);
        WholeNumberMultiply.NarrowRows(logits, 1, count, weights, unit);
        return rescale;
    }

    /// <summary>Every position so far is masked.</summary>
    private static float Nothing(float* logits, int count)
    {
        new Span<float>(logits, count).Clear();
        return 1;
    }
}
