using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Retrieval.Runtime.Kernels;

/// <summary>Functions of sixteen floats that several kernels share.</summary>
internal static class VectorMath
{
    /// <summary>
    /// e^x within 1.5 units in the last place: x = n ln 2 + r, a polynomial of degree 7 in r (Cephes' expf), times 2^n.
    /// Gives 0 below -104, infinity above 89, subnormals between -104 and -87.3, NaN for NaN.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static Vector512<float> Exp(Vector512<float> x)
    {
        // The bound is the first operand: with a NaN in the second, the machine's minimum returns the second.
        x = Vector512.MinNative(Vector512.Create(89f), x);
        x = Vector512.MaxNative(Vector512.Create(-105f), x);
        Vector512<float> n = Vector512.Round(x * Vector512.Create(1.44269504088896341f));
        Vector512<float> r = Vector512.FusedMultiplyAdd(n, Vector512.Create(-0.693359375f), x);
        r = Vector512.FusedMultiplyAdd(n, Vector512.Create(2.12194440e-4f), r);
        Vector512<float> p = Vector512.Create(1.9875691500e-4f);
        p = Vector512.FusedMultiplyAdd(p, r, Vector512.Create(1.3981999507e-3f));
        p = Vector512.FusedMultiplyAdd(p, r, Vector512.Create(8.3334519073e-3f));
        p = Vector512.FusedMultiplyAdd(p, r, Vector512.Create(4.1665795894e-2f));
        p = Vector512.FusedMultiplyAdd(p, r, Vector512.Create(1.6666665459e-1f));
        p = Vector512.FusedMultiplyAdd(p, r, Vector512.Create(5.0000001201e-1f));
        p = Vector512.FusedMultiplyAdd(p, r * r, r) + Vector512<float>.One;
        if (Avx512F.IsSupported)
            return Avx512F.Scale(p, n);
        // 2^n may be no normal number although the product is: two factors are.
        Vector512<int> exponent = Vector512.ConvertToInt32(n);
        Vector512<int> half = exponent >> 1;
        return p * PowerOfTwo(half) * PowerOfTwo(exponent - half);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> PowerOfTwo(Vector512<int> exponent) => ((exponent + Vector512.Create(127)) << 23).AsSingle();
}
