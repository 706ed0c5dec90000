using System.Runtime.Intrinsics;

namespace Retrieval.Index.Kernels;

/// <summary>
/// Small dense products C (+)= A · B in float32, the two halves of blocked attention: logits = Q · Kᵀ and output += P · V.
/// B is a panel of 64 (or 16) columns that stays in cache while all rows of A pass by; six rows of C live in registers.
/// </summary>
public static unsafe class PanelMultiply
{
    /// <summary>Reference. Shapes as in <see cref="Multiply"/>.</summary>
    public static void MultiplyReference(
        float* a, int aStride, float* b, int bStride, float* c, int cStride, int rows, int inner, int columns, bool accumulate)
    {
        for (int row = 0; row < rows; row++)
        {
            for (int column = 0; column < columns; column++)
            {
                float sum = accumulate ? c[row * cStride + column] : 0;
                for (int i = 0; i < inner; i++)
                    sum += a[row * aStride + i] * b[i * bStride + column];
                c[row * cStride + column] = sum;
            }
        }
    }

    /// <summary>C = A · B, or C += A · B.</summary>
    /// <param name="a">[rows, aStride], <paramref name="inner"/> of each row are read.</param>
    /// <param name="b">[inner, bStride]</param>
    /// <param name="c">[rows, cStride]</param>
    /// <param name="columns">A multiple of 16 for the fast path.</param>
    public static void Multiply(
        float* a, int aStride, float* b, int bStride, float* c, int cStride, int rows, int inner, int columns, bool accumulate)
    {
        if (!Vector256.IsHardwareAccelerated || columns % 16 != 0)
        {
            MultiplyReference(a, aStride, b, bStride, c, cStride, rows, inner, columns, accumulate);
            return;
        }
        int column = 0;
        for (; column <= columns - 64; column += 64)
        {
            int row = 0;
            for (; row <= rows - 6; row += 6)
                SixRows(a + row * aStride, aStride, b + column, bStride, c + row * cStride + column, cStride, inner, accumulate);
            for (; row < rows; row++)
                OneRow(a + row * aStride, b + column, bStride, c + row * cStride + column, inner, accumulate);
        }
        for (; column < columns; column += 16)
        {
            for (int row = 0; row < rows; row++)
                OneVector(a + row * aStride, b + column, bStride, c + row * cStride + column, inner, accumulate);
        }
    }

    private static void SixRows(float* a, int aStride, float* b, int bStride, float* c, int cStride, int inner, bool accumulate)
    {
        Vector512<float> c00 = default, c01 = default, c02 = default, c03 = default, c10 = default, c11 = default, c12 = default, c13 = default;
        Vector512<float> c20 = default, c21 = default, c22 = default, c23 = default, c30 = default, c31 = default, c32 = default, c33 = default;
        Vector512<float> c40 = default, c41 = default, c42 = default, c43 = default, c50 = default, c51 = default, c52 = default, c53 = default;
        float* a1 = a + aStride, a2 = a1 + aStride, a3 = a2 + aStride, a4 = a3 + aStride, a5 = a4 + aStride;
        for (int i = 0; i < inner; i++, b += bStride)
        {
            Vector512<float> b0 = Vector512.Load(b), b1 = Vector512.Load(b + 16), b2 = Vector512.Load(b + 32), b3 = Vector512.Load(b + 48);
            Vector512<float> x = Vector512.Create(a[i]);
            c00 = Vector512.FusedMultiplyAdd(x, b0, c00);
            c01 = Vector512.FusedMultiplyAdd(x, b1, c01);
            c02 = Vector512.FusedMultiplyAdd(x, b2, c02);
            c03 = Vector512.FusedMultiplyAdd(x, b3, c03);
            x = Vector512.Create(a1[i]);
            c10 = Vector512.FusedMultiplyAdd(x, b0, c10);
            c11 = Vector512.FusedMultiplyAdd(x, b1, c11);
            c12 = Vector512.FusedMultiplyAdd(x, b2, c12);
            c13 = Vector512.FusedMultiplyAdd(x, b3, c13);
            x = Vector512.Create(a2[i]);
            c20 = Vector512.FusedMultiplyAdd(x, b0, c20);
            c21 = Vector512.FusedMultiplyAdd(x, b1, c21);
            c22 = Vector512.FusedMultiplyAdd(x, b2, c22);
            c23 = Vector512.FusedMultiplyAdd(x, b3, c23);
            x = Vector512.Create(a3[i]);
            c30 = Vector512.FusedMultiplyAdd(x, b0, c30);
            c31 = Vector512.FusedMultiplyAdd(x, b1, c31);
            c32 = Vector512.FusedMultiplyAdd(x, b2, c32);
            c33 = Vector512.FusedMultiplyAdd(x, b3, c33);
            x = Vector512.Create(a4[i]);
            c40 = Vector512.FusedMultiplyAdd(x, b0, c40);
            c41 = Vector512.FusedMultiplyAdd(x, b1, c41);
            c42 = Vector512.FusedMultiplyAdd(x, b2, c42);
            c43 = Vector512.FusedMultiplyAdd(x, b3, c43);
            x = Vector512.Create(a5[i]);
            c50 = Vector512.FusedMultiplyAdd(x, b0, c50);
            c51 = Vector512.FusedMultiplyAdd(x, b1, c51);
            c52 = Vector512.FusedMultiplyAdd(x, b2, c52);
            c53 = Vector512.FusedMultiplyAdd(x, b3, c53);
        }
        StoreRow(c, c00, c01, c02, c03, accumulate);
        StoreRow(c + cStride, c10, c11, c12, c13, accumulate);
        StoreRow(c + 2 * cStride, c20, c21, c22, c23, accumulate);
        StoreRow(c + 3 * cStride, c30, c31, c32, c33, accumulate);
        StoreRow(c + 4 * cStride, c40, c41, c42, c43, accumulate);
        StoreRow(c + 5 * cStride, c50, c51, c52, c53, accumulate);
    }

    private static void OneRow(float* a, float* b, int bStride, float* c, int inner, bool accumulate)
    {
        Vector512<float> c0 = default, c1 = default, c2 = default, c3 = default;
        for (int i = 0; i < inner; i++, b += bStride)
        {
            Vector512<float> x = Vector512.Create(a[i]);
            c0 = Vector512.FusedMultiplyAdd(x, Vector512.Load(b), c0);
            c1 = Vector512.FusedMultiplyAdd(x, Vector512.Load(b + 16), c1);
            c2 = Vector512.FusedMultiplyAdd(x, Vector512.Load(b + 32), c2);
            c3 = Vector512.FusedMultiplyAdd(x, Vector512.Load(b + 48), c3);
        }
        StoreRow(c, c0, c1, c2, c3, accumulate);
    }

    private static void OneVector(float* a, float* b, int bStride, float* c, int inner, bool accumulate)
    {
        Vector512<float> sum = accumulate ? Vector512.Load(c) : default;
        for (int i = 0; i < inner; i++, b += bStride)
            sum = Vector512.FusedMultiplyAdd(Vector512.Create(a[i]), Vector512.Load(b), sum);
        sum.Store(c);
    }

    private static void StoreRow(
        float* c, Vector512<float> c0, Vector512<float> c1, Vector512<float> c2, Vector512<float> c3, bool accumulate)
    {
        if (accumulate)
        {
            c0 += Vector512.Load(c);
            c1 += Vector512.Load(c + 16);
            c2 += Vector512.Load(c + 32);
            c3 += Vector512.Load(c + 48);
        }
        c0.Store(c);
        c1.Store(c + 16);
        c2.Store(c + 32);
        c3.Store(c + 48);
    }
}
