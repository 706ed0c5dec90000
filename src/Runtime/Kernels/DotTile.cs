using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Retrieval.Runtime.Kernels;

/// <summary>
/// Products of a few float32 rows with a few vectors, the inner step of <see cref="QuantizedMatVec"/>: each load of a row
/// serves all vectors and each load of a vector serves all rows.
/// </summary>
internal static unsafe class DotTile
{
    /// <summary>y[b * yStride + r] += dot(w[r], x[b]) for four rows and <paramref name="batch"/> vectors.</summary>
    /// <param name="w">[4, wStride].</param>
    /// <param name="wStride">Elements from row to row.</param>
    /// <param name="x">[batch, xStride].</param>
    /// <param name="xStride">Elements from vector to vector.</param>
    /// <param name="n">Length of the products.</param>
    /// <param name="batch">Vectors.</param>
    /// <param name="y">[batch, yStride], four columns of it.</param>
    /// <param name="yStride">Elements from one vector's results to the next's.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void FourRows(float* w, long wStride, float* x, long xStride, int n, int batch, float* y, long yStride)
    {
        int b = 0;
        // 4 x 4 sums need 24 registers: only AVX-512 has them.
        if (Vector512.IsHardwareAccelerated)
        {
            for (; b <= batch - 4; b += 4)
                FourByFour(w, wStride, x + b * xStride, xStride, n, y + b * yStride, yStride);
        }
        for (; b < batch; b++)
            FourByOne(w, wStride, x + b * xStride, n, y + b * yStride);
    }

    /// <summary>y[b * yStride] += dot(w, x[b]).</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void OneRow(float* w, float* x, long xStride, int n, int batch, float* y, long yStride)
    {
        for (int b = 0; b < batch; b++)
            y[b * yStride] += Dot(w, x + b * xStride, n);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static float Dot(float* w, float* x, int n)
    {
        Vector512<float> s0 = default, s1 = default, s2 = default, s3 = default;
        int i = 0;
        for (; i <= n - 64; i += 64)
        {
            s0 = Vector512.FusedMultiplyAdd(Vector512.Load(w + i), Vector512.Load(x + i), s0);
            s1 = Vector512.FusedMultiplyAdd(Vector512.Load(w + i + 16), Vector512.Load(x + i + 16), s1);
            s2 = Vector512.FusedMultiplyAdd(Vector512.Load(w + i + 32), Vector512.Load(x + i + 32), s2);
            s3 = Vector512.FusedMultiplyAdd(Vector512.Load(w + i + 48), Vector512.Load(x + i + 48), s3);
        }
        for (; i <= n - 16; i += 16)
            s0 = Vector512.FusedMultiplyAdd(Vector512.Load(w + i), Vector512.Load(x + i), s0);
        float sum = Vector512.Sum(s0 + s1 + (s2 + s3));
        for (; i < n; i++)
            sum += w[i] * x[i];
        return sum;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void FourByOne(float* w0, long wStride, float* x, int n, float* y)
    {
        float* w1 = w0 + wStride, w2 = w1 + wStride, w3 = w2 + wStride;
        Vector512<float> s0 = default, s1 = default, s2 = default, s3 = default;
        int i = 0;
        for (; i <= n - 16; i += 16)
        {
            Vector512<float> v = Vector512.Load(x + i);
            s0 = Vector512.FusedMultiplyAdd(Vector512.Load(w0 + i), v, s0);
            s1 = Vector512.FusedMultiplyAdd(Vector512.Load(w1 + i), v, s1);
            s2 = Vector512.FusedMultiplyAdd(Vector512.Load(w2 + i), v, s2);
            s3 = Vector512.FusedMultiplyAdd(Vector512.Load(w3 + i), v, s3);
        }
        AddSums(s0, s1, s2, s3, y);
        for (; i < n; i++)
        {
            y[0] += w0[i] * x[i];
            y[1] += w1[i] * x[i];
            y[2] += w2[i] * x[i];
            y[3] += w3[i] * x[i];
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void FourByFour(float* w0, long wStride, float* x0, long xStride, int n, float* y, long yStride)
    {
        float* w1 = w0 + wStride, w2 = w1 + wStride, w3 = w2 + wStride;
        float* x1 = x0 + xStride, x2 = x1 + xStride, x3 = x2 + xStride;
        Vector512<float> s00 = default, s01 = default, s02 = default, s03 = default;
        Vector512<float> s10 = default, s11 = default, s12 = default, s13 = default;
        Vector512<float> s20 = default, s21 = default, s22 = default, s23 = default;
        Vector512<float> s30 = default, s31 = default, s32 = default, s33 = default;
        int i = 0;
        for (; i <= n - 16; i += 16)
        {
            Vector512<float> r0 = Vector512.Load(w0 + i), r1 = Vector512.Load(w1 + i);
            Vector512<float> r2 = Vector512.Load(w2 + i), r3 = Vector512.Load(w3 + i);
            Vector512<float> v = Vector512.Load(x0 + i);
            s00 = Vector512.FusedMultiplyAdd(r0, v, s00);
            s01 = Vector512.FusedMultiplyAdd(r1, v, s01);
            s02 = Vector512.FusedMultiplyAdd(r2, v, s02);
            s03 = Vector512.FusedMultiplyAdd(r3, v, s03);
            v = Vector512.Load(x1 + i);
            s10 = Vector512.FusedMultiplyAdd(r0, v, s10);
            s11 = Vector512.FusedMultiplyAdd(r1, v, s11);
            s12 = Vector512.FusedMultiplyAdd(r2, v, s12);
            s13 = Vector512.FusedMultiplyAdd(r3, v, s13);
            v = Vector512.Load(x2 + i);
            s20 = Vector512.FusedMultiplyAdd(r0, v, s20);
            s21 = Vector512.FusedMultiplyAdd(r1, v, s21);
            s22 = Vector512.FusedMultiplyAdd(r2, v, s22);
            s23 = Vector512.FusedMultiplyAdd(r3, v, s23);
            v = Vector512.Load(x3 + i);
            s30 = Vector512.FusedMultiplyAdd(r0, v, s30);
            s31 = Vector512.FusedMultiplyAdd(r1, v, s31);
            s32 = Vector512.FusedMultiplyAdd(r2, v, s32);
            s33 = Vector512.FusedMultiplyAdd(r3, v, s33);
        }
        AddSums(s00, s01, s02, s03, y);
        AddSums(s10, s11, s12, s13, y + yStride);
        AddSums(s20, s21, s22, s23, y + 2 * yStride);
        AddSums(s30, s31, s32, s33, y + 3 * yStride);
        if (i < n)
        {
            for (int r = 0; r < 4; r++)
                OneRow(w0 + r * wStride + i, x0 + i, xStride, n - i, 4, y + r, yStride);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void AddSums(Vector512<float> s0, Vector512<float> s1, Vector512<float> s2, Vector512<float> s3, float* y)
        => (Vector128.Load(y) + Sums(s0, s1, s2, s3)).Store(y);

    /// <summary>The four sums of sixteen lanes, by transposing: a third of the instructions of four sums on their own.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static Vector128<float> Sums(Vector512<float> s0, Vector512<float> s1, Vector512<float> s2, Vector512<float> s3)
    {
        Vector128<float> a = Quarter(s0), b = Quarter(s1), c = Quarter(s2), d = Quarter(s3);
        if (!Sse.IsSupported)
            return Vector128.Create(Vector128.Sum(a), Vector128.Sum(b), Vector128.Sum(c), Vector128.Sum(d));
        Vector128<float> ab = Sse.UnpackLow(a, b) + Sse.UnpackHigh(a, b);
        Vector128<float> cd = Sse.UnpackLow(c, d) + Sse.UnpackHigh(c, d);
        return Sse.MoveLowToHigh(ab, cd) + Sse.MoveHighToLow(cd, ab);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<float> Quarter(Vector512<float> s)
    {
        Vector256<float> half = s.GetLower() + s.GetUpper();
        return half.GetLower() + half.GetUpper();
    }
}
