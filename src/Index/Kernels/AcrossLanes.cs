using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Retrieval.Index.Kernels;

/// <summary>Sums and largest elements across the lanes of vectors.</summary>
internal static class AcrossLanes
{
    /// <summary>The horizontal sums of four vectors.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> SumEach(Vector512<float> a, Vector512<float> b, Vector512<float> c, Vector512<float> d)
    {
        Vector128<float> x = Fold(a), y = Fold(b), z = Fold(c), w = Fold(d);
        if (!Sse.IsSupported)
            return Vector128.Create(Vector128.Sum(x), Vector128.Sum(y), Vector128.Sum(z), Vector128.Sum(w));
        Vector128<float> xy = Sse.UnpackLow(x, y) + Sse.UnpackHigh(x, y), zw = Sse.UnpackLow(z, w) + Sse.UnpackHigh(z, w);
        return Sse.MoveLowToHigh(xy, zw) + Sse.MoveHighToLow(zw, xy);
    }

    /// <summary>The largest element, if none is a NaN.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Largest(Vector512<float> v)
    {
        Vector256<float> half = Vector256.MaxNative(v.GetLower(), v.GetUpper());
        Vector128<float> quarter = Vector128.MaxNative(half.GetLower(), half.GetUpper());
        return MathF.Max(MathF.Max(quarter[0], quarter[1]), MathF.Max(quarter[2], quarter[3]));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<float> Fold(Vector512<float> v)
    {
        Vector256<float> half = v.GetLower() + v.GetUpper();
        return half.GetLower() + half.GetUpper();
    }
}
