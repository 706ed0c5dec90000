using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Retrieval.Index.Kernels;

/// <summary>exp(x) in float32: 2^n times a degree-6 polynomial (Cephes expf). Below −87 the result is 0; error under 2 ulp.</summary>
public static unsafe class VectorExp
{
    private const float Lowest = -87f, Highest = 88f, Log2E = 1.44269504088896341f;
    private const float Ln2High = 0.693359375f, Ln2Low = -2.12194440e-4f;

    // 2^23 a factor of two. Linear between powers of two it would lie 4.068 % too high on average: hence less 2^23 log₂ 1.04068.
    private const float RoughStep = 8388608 * Log2E, RoughOne = 127 * 8388608f - 482620;
    private const float C0 = 1.9875691500e-4f, C1 = 1.3981999507e-3f, C2 = 8.3334519073e-3f;
    private const float C3 = 4.1665795894e-2f, C4 = 1.6666665459e-1f, C5 = 5.0000001201e-1f;

    /// <summary>Reference.</summary>
    public static float Exp(float x) => x < Lowest ? 0 : MathF.Exp(x);

    /// <summary>
    /// exp(x) within 4e-6 of itself at half the work: 2^n, added to the exponent, times a degree-4 polynomial
    /// of the rest. Below −87 the result is 0; x is at most 88.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Approximate(Vector512<float> x)
    {
        // −n, so that the rest is one multiply-add: rounding x·log₂e first would cost as much as the polynomial does.
        Vector512<float> clamped = Vector512.Max(x, Vector512.Create(Lowest)), n = Vector512.Round(clamped * -Log2E);
        Vector512<float> f = Vector512.FusedMultiplyAdd(clamped, Vector512.Create(Log2E), n);
        // Least largest relative error of 2^f over [−½, ½], 2.6e-6 (Remez).
        Vector512<float> p = Vector512.Create(9.570102e-3f);
        p = Vector512.FusedMultiplyAdd(p, f, Vector512.Create(5.591786e-2f));
        p = Vector512.FusedMultiplyAdd(p, f, Vector512.Create(2.4024744e-1f));
        p = Vector512.FusedMultiplyAdd(p, f, Vector512.Create(6.931218e-1f));
        p = Vector512.FusedMultiplyAdd(p, f, Vector512.Create(9.999993e-1f));
        Vector512<float> result = (p.AsInt32() - (Vector512.ConvertToInt32Native(n) << 23)).AsSingle();
        return Vector512.ConditionalSelect(Vector512.GreaterThanOrEqual(x, Vector512.Create(Lowest)), result, Vector512<float>.Zero);
    }

    /// <summary>Reference. As <see cref="Rough(Vector512{float})"/>.</summary>
    public static float Rough(float x)
        => BitConverter.Int32BitsToSingle((int)MathF.Max(MathF.FusedMultiplyAdd(x, RoughStep, RoughOne), 0));

    /// <summary>
    /// exp(x) within 4 % of itself from −87 on, and right on average, for sums of many: a float's bits, as a whole number, are nearly the
    /// logarithm of it (Schraudolph, Neural Computation 11, 853). Below −88 the result is 0; x is at most 88.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Rough(Vector512<float> x)
    {
        Vector512<float> bits = Vector512.FusedMultiplyAdd(x, Vector512.Create(RoughStep), Vector512.Create(RoughOne));
        return Vector512.ConvertToInt32Native(Vector512.MaxNative(bits, Vector512<float>.Zero)).AsSingle();
    }

    /// <summary>Reference. As <see cref="Shares(float*, int, float)"/>.</summary>
    public static float SharesReference(float* logits, int count, float shift)
    {
        float sum = 0;
        for (int i = 0; i < count; i++)
            sum += logits[i] = Exp(logits[i] - shift);
        return sum;
    }

    /// <summary>Replaces logits, all at most 88 above a shift, with exp(logit − shift).</summary>
    /// <returns>Their sum.</returns>
    public static float Shares(float* logits, int count, float shift) => Shares(logits, count, shift, approximate: false);

    /// <summary>As <see cref="Shares(float*, int, float)"/>, each within 4e-6 of itself, at half the work.</summary>
    public static float ApproximateShares(float* logits, int count, float shift) => Shares(logits, count, shift, approximate: true);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float Shares(float* logits, int count, float shift, bool approximate)
    {
        int i = 0;
        float sum = 0;
        if (Vector256.IsHardwareAccelerated)
        {
            Vector512<float> total = default, start = Vector512.Create(shift);
            for (; i <= count - 16; i += 16)
            {
                Vector512<float> logit = Vector512.Load(logits + i) - start, share = approximate ? Approximate(logit) : Exp(logit);
                share.Store(logits + i);
                total += share;
            }
            sum = Vector512.Sum(total);
        }
        return sum + SharesReference(logits + i, count - i, shift);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Exp(Vector512<float> x)
    {
        Vector512<float> inRange = Vector512.GreaterThanOrEqual(x, Vector512.Create(Lowest));
        Vector512<float> clamped = Vector512.Min(Vector512.Max(x, Vector512.Create(Lowest)), Vector512.Create(Highest));
        Vector512<float> n = Vector512.Round(clamped * Log2E);
        Vector512<float> r = Vector512.FusedMultiplyAdd(n, Vector512.Create(-Ln2High), clamped);
        r = Vector512.FusedMultiplyAdd(n, Vector512.Create(-Ln2Low), r);
        Vector512<float> p = Vector512.Create(C0);
        p = Vector512.FusedMultiplyAdd(p, r, Vector512.Create(C1));
        p = Vector512.FusedMultiplyAdd(p, r, Vector512.Create(C2));
        p = Vector512.FusedMultiplyAdd(p, r, Vector512.Create(C3));
        p = Vector512.FusedMultiplyAdd(p, r, Vector512.Create(C4));
        p = Vector512.FusedMultiplyAdd(p, r, Vector512.Create(C5));
        p = Vector512.FusedMultiplyAdd(p, r * r, r + Vector512<float>.One);
        Vector512<int> exponent = (Vector512.ConvertToInt32Native(n) + Vector512.Create(127)) << 23;
        return (p * exponent.AsSingle()) & inRange;
    }
}
