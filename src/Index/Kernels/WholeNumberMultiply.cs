using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Retrieval.Index.Kernels;

/// <summary>
/// <see cref="PanelMultiply"/> in 16-bit whole numbers: C (+)= A · B with each row of A and each column of B in units of its own,
/// powers of two that make it shorter than 2^15. By the inequality of Cauchy and Schwarz no sum then leaves 32 bits, and a
/// product is off by about 2 · 10⁻⁵ of the two lengths, where bfloat16 is off by 2 · 10⁻⁴. Two neighbours of A's row are
/// multiplied and added in one instruction: nearly twice as many products in the same time.
/// </summary>
public static unsafe class WholeNumberMultiply
{
    /// <summary>Columns of a panel: a multiple of this.</summary>
    public const int Lanes = 16;

    // A row becomes shorter than two to this.
    private const int Bits = 15;

    // Of a float: bits, and what its exponent is counted from.
    private const int Mantissa = 23, Bias = 127;

    /// <summary>Are whole numbers faster than <see cref="PanelMultiply"/> here?</summary>
    public static bool IsFast => Avx512BW.IsSupported;

    /// <summary>Pairs of whole numbers that so many elements fill.</summary>
    public static int Pairs(int inner) => (inner + 1) / 2;

    /// <summary>Reference. As <see cref="NarrowRows"/>.</summary>
    public static void NarrowRowsReference(float* a, int rows, int inner, short* target, float* units)
    {
        for (int row = 0; row < rows; row++, a += inner, target += 2 * Pairs(inner))
        {
            float squares = 0;
            for (int i = 0; i < inner; i++)
                squares += a[i] * a[i];
            (units[row], float inverse) = Unit(squares);
            for (int i = 0; i < 2 * Pairs(inner); i++)
                target[i] = i < inner ? (short)Round(a[i] * inverse) : (short)0;
        }
    }

    /// <summary>A in whole numbers.</summary>
    /// <param name="a">[rows, inner]</param>
    /// <param name="target">[rows, 2 · <see cref="Pairs"/>]: a zero behind rows of odd length.</param>
    /// <param name="units">[rows]: what a whole number is worth.</param>
    public static void NarrowRows(float* a, int rows, int inner, short* target, float* units)
    {
        if (!Avx512BW.IsSupported || inner % Lanes != 0)
        {
            NarrowRowsReference(a, rows, inner, target, units);
            return;
        }
        for (int row = 0; row < rows; row++, a += inner, target += inner)
        {
            Vector512<float> squares = default;
            for (int i = 0; i < inner; i += Lanes)
                squares = Vector512.FusedMultiplyAdd(Vector512.Load(a + i), Vector512.Load(a + i), squares);
            // Vectors of sixteen equal sums: nothing waits for a way through other registers.
            (Vector512<float> unit, Vector512<float> inverse) = Unit(Everywhere(squares));
            units[row] = unit.ToScalar();
            for (int i = 0; i < inner; i += Lanes)
                Narrow(Vector512.Load(a + i) * inverse).Store(target + i);
        }
    }

    /// <summary><see cref="NarrowRows"/> for one row of 64 that lies in registers.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static void NarrowRow(Vector512<float> a, Vector512<float> b, Vector512<float> c, Vector512<float> d, short* target, float* unit)
    {
        Vector512<float> squares = Vector512.FusedMultiplyAdd(a, a, b * b) + Vector512.FusedMultiplyAdd(c, c, d * d);
        (Vector512<float> units, Vector512<float> inverse) = Unit(Everywhere(squares));
        *unit = units.ToScalar();
        Narrow(a * inverse).Store(target);
        Narrow(b * inverse).Store(target + Lanes);
        Narrow(c * inverse).Store(target + 2 * Lanes);
        Narrow(d * inverse).Store(target + 3 * Lanes);
    }

    /// <summary>Reference. As <see cref="NarrowPanel"/>.</summary>
    public static void NarrowPanelReference(float* panel, int stride, int inner, int columns, int* target, float* units)
    {
        for (int column = 0; column < columns; column++)
        {
            float squares = 0;
            for (int i = 0; i < inner; i++)
                squares += panel[i * stride + column] * panel[i * stride + column];
            (units[column], float inverse) = Unit(squares);
            for (int pair = 0; pair < Pairs(inner); pair++)
            {
                float* at = panel + 2 * pair * stride + column;
                target[pair * columns + column] = Pair(*at * inverse, 2 * pair + 1 < inner ? at[stride] * inverse : 0);
            }
        }
    }

    /// <summary>B in whole numbers, two neighbours of a column together.</summary>
    /// <param name="panel">[inner, stride]</param>
    /// <param name="columns">A multiple of <see cref="Lanes"/> for the fast path.</param>
    /// <param name="target">[<see cref="Pairs"/>, columns]: the lower half of each is the earlier element.</param>
    /// <param name="units">[columns]: what a whole number is worth.</param>
    public static void NarrowPanel(float* panel, int stride, int inner, int columns, int* target, float* units)
    {
        if (!Avx512BW.IsSupported || columns % Lanes != 0)
        {
            NarrowPanelReference(panel, stride, inner, columns, target, units);
            return;
        }
        for (int column = 0; column < columns; column += Lanes)
        {
            float* from = panel + column;
            Vector512<float> squares = default;
            for (int i = 0; i < inner; i++)
            {
                Vector512<float> some = Vector512.Load(from + (long)i * stride);
                squares = Vector512.FusedMultiplyAdd(some, some, squares);
            }
            (Vector512<float> unit, Vector512<float> inverse) = Unit(squares);
            unit.Store(units + column);
            int* to = target + column;
            for (int i = 0; i < inner; i += 2, from += 2 * stride, to += columns)
            {
                Vector512<int> first = Round(Vector512.Load(from) * inverse), second = i + 1 < inner ? Round(Vector512.Load(from + stride) * inverse) : default;
                ((first & Vector512.Create(0xFFFF)) | (second << 16)).Store(to);
            }
        }
    }

    /// <summary>Reference. Shapes as in <see cref="Multiply"/>.</summary>
    public static void MultiplyReference(
        short* a, int aStride, float* aUnits, int* b, float* bUnits, float* c, int cStride, int rows, int pairs, int columns, bool accumulate)
    {
        for (int row = 0; row < rows; row++)
        {
            for (int column = 0; column < columns; column++)
            {
                int sum = 0;
                for (int i = 0; i < pairs; i++)
                {
                    int pair = b[i * columns + column];
                    sum += a[row * aStride + 2 * i] * (short)pair + a[row * aStride + 2 * i + 1] * (pair >> 16);
                }
                float product = sum * (aUnits[row] * bUnits[column]);
                c[row * cStride + column] = accumulate ? c[row * cStride + column] + product : product;
            }
        }
    }

    /// <summary>C = A · B, or C += A · B.</summary>
    /// <param name="a">[rows, aStride], from <see cref="NarrowRows"/>; 2 · <paramref name="pairs"/> of each row are read.</param>
    /// <param name="aUnits">[rows]</param>
    /// <param name="b">[pairs, columns], from <see cref="NarrowPanel"/>.</param>
    /// <param name="bUnits">[columns]</param>
    /// <param name="c">[rows, cStride]</param>
    /// <param name="columns">A multiple of <see cref="Lanes"/> for the fast path.</param>
    public static void Multiply(
        short* a, int aStride, float* aUnits, int* b, float* bUnits, float* c, int cStride, int rows, int pairs, int columns, bool accumulate)
    {
        if (!Avx512BW.IsSupported || columns % Lanes != 0)
        {
            MultiplyReference(a, aStride, aUnits, b, bUnits, c, cStride, rows, pairs, columns, accumulate);
            return;
        }
        int column = 0;
        for (; column <= columns - 4 * Lanes; column += 4 * Lanes)
        {
            int row = 0;
            for (; row <= rows - 6; row += 6)
                SixRows(a + row * aStride, aStride, aUnits + row, b + column, columns, bUnits + column, c + row * cStride + column, cStride, pairs, accumulate);
            for (; row < rows; row++)
                OneRow(a + row * aStride, aUnits[row], b + column, columns, bUnits + column, c + row * cStride + column, pairs, accumulate);
        }
        for (; column < columns; column += Lanes)
        {
            for (int row = 0; row < rows; row++)
                OneVector(a + row * aStride, aUnits[row], b + column, columns, bUnits + column, c + row * cStride + column, pairs, accumulate);
        }
    }

    /// <summary>A power of two, because roots and quotients would take longer than all else that is done to a row.</summary>
    /// <param name="squares">Square of a length.</param>
    private static (float Unit, float Inverse) Unit(float squares)
    {
        int bits = BitConverter.SingleToInt32Bits(squares);
        return (BitConverter.Int32BitsToSingle(UnitBits(Half(bits))), BitConverter.Int32BitsToSingle(InverseBits(Half(bits))));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static (Vector512<float> Unit, Vector512<float> Inverse) Unit(Vector512<float> squares)
    {
        Vector512<int> half = ((squares.AsInt32() >> Mantissa) - Vector512.Create(Bias - 2)) >> 1;
        return (((half + Vector512.Create(Bias - Bits)) << Mantissa).AsSingle(), ((Vector512.Create(Bias + Bits) - half) << Mantissa).AsSingle());
    }

    /// <summary>The sum of all elements in each.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Everywhere(Vector512<float> x)
    {
        x += Avx512F.Shuffle4x128(x, x, 0b01_00_11_10);
        x += Avx512F.Shuffle4x128(x, x, 0b10_11_00_01);
        x += Avx512F.Permute4x32(x, 0b01_00_11_10);
        return x + Avx512F.Permute4x32(x, 0b10_11_00_01);
    }

    // A square below 2^(2n) is that of a length below 2^n.
    private static int Half(int bits) => ((bits >> Mantissa) - (Bias - 2)) >> 1;

    private static int UnitBits(int half) => (half + Bias - Bits) << Mantissa;

    private static int InverseBits(int half) => (Bias + Bits - half) << Mantissa;

    private static int Pair(float first, float second) => (Round(first) & 0xFFFF) | (Round(second) << 16);

    // What is just below 2^15 would be rounded to it, and is no 16-bit number.
    private static int Round(float x) => (int)MathF.Min(MathF.Round(x), short.MaxValue);

    private static Vector256<short> Narrow(Vector512<float> x) => Avx512F.ConvertToVector256Int16WithSaturation(Avx512F.ConvertToVector512Int32(x));

    private static Vector512<int> Round(Vector512<float> x) => Avx512F.ConvertToVector512Int32(Vector512.Min(x, Vector512.Create((float)short.MaxValue)));

    private static void SixRows(
        short* a, int aStride, float* aUnits, int* b, int bStride, float* bUnits, float* c, int cStride, int pairs, bool accumulate)
    {
        Vector512<int> c00 = default, c01 = default, c02 = default, c03 = default, c10 = default, c11 = default, c12 = default, c13 = default;
        Vector512<int> c20 = default, c21 = default, c22 = default, c23 = default, c30 = default, c31 = default, c32 = default, c33 = default;
        Vector512<int> c40 = default, c41 = default, c42 = default, c43 = default, c50 = default, c51 = default, c52 = default, c53 = default;
        int* a0 = (int*)a, a1 = (int*)(a + aStride), a2 = (int*)(a + 2 * aStride), a3 = (int*)(a + 3 * aStride), a4 = (int*)(a + 4 * aStride), a5 = (int*)(a + 5 * aStride);
        for (int i = 0; i < pairs; i++, b += bStride)
        {
            Vector512<short> b0 = Vector512.Load(b).AsInt16(), b1 = Vector512.Load(b + 16).AsInt16(), b2 = Vector512.Load(b + 32).AsInt16(), b3 = Vector512.Load(b + 48).AsInt16();
            Vector512<short> x = Vector512.Create(a0[i]).AsInt16();
            c00 += Avx512BW.MultiplyAddAdjacent(x, b0);
            c01 += Avx512BW.MultiplyAddAdjacent(x, b1);
            c02 += Avx512BW.MultiplyAddAdjacent(x, b2);
            c03 += Avx512BW.MultiplyAddAdjacent(x, b3);
            x = Vector512.Create(a1[i]).AsInt16();
            c10 += Avx512BW.MultiplyAddAdjacent(x, b0);
            c11 += Avx512BW.MultiplyAddAdjacent(x, b1);
            c12 += Avx512BW.MultiplyAddAdjacent(x, b2);
            c13 += Avx512BW.MultiplyAddAdjacent(x, b3);
            x = Vector512.Create(a2[i]).AsInt16();
            c20 += Avx512BW.MultiplyAddAdjacent(x, b0);
            c21 += Avx512BW.MultiplyAddAdjacent(x, b1);
            c22 += Avx512BW.MultiplyAddAdjacent(x, b2);
            c23 += Avx512BW.MultiplyAddAdjacent(x, b3);
            x = Vector512.Create(a3[i]).AsInt16();
            c30 += Avx512BW.MultiplyAddAdjacent(x, b0);
            c31 += Avx512BW.MultiplyAddAdjacent(x, b1);
            c32 += Avx512BW.MultiplyAddAdjacent(x, b2);
            c33 += Avx512BW.MultiplyAddAdjacent(x, b3);
            x = Vector512.Create(a4[i]).AsInt16();
            c40 += Avx512BW.MultiplyAddAdjacent(x, b0);
            c41 += Avx512BW.MultiplyAddAdjacent(x, b1);
            c42 += Avx512BW.MultiplyAddAdjacent(x, b2);
            c43 += Avx512BW.MultiplyAddAdjacent(x, b3);
            x = Vector512.Create(a5[i]).AsInt16();
            c50 += Avx512BW.MultiplyAddAdjacent(x, b0);
            c51 += Avx512BW.MultiplyAddAdjacent(x, b1);
            c52 += Avx512BW.MultiplyAddAdjacent(x, b2);
            c53 += Avx512BW.MultiplyAddAdjacent(x, b3);
        }
        StoreRow(c, aUnits[0], bUnits, c00, c01, c02, c03, accumulate);
        StoreRow(c + cStride, aUnits[1], bUnits, c10, c11, c12, c13, accumulate);
        StoreRow(c + 2 * cStride, aUnits[2], bUnits, c20, c21, c22, c23, accumulate);
        StoreRow(c + 3 * cStride, aUnits[3], bUnits, c30, c31, c32, c33, accumulate);
        StoreRow(c + 4 * cStride, aUnits[4], bUnits, c40, c41, c42, c43, accumulate);
        StoreRow(c + 5 * cStride, aUnits[5], bUnits, c50, c51, c52, c53, accumulate);
    }

    private static void OneRow(short* a, float aUnit, int* b, int bStride, float* bUnits, float* c, int pairs, bool accumulate)
    {
        Vector512<int> c0 = default, c1 = default, c2 = default, c3 = default;
        for (int i = 0; i < pairs; i++, b += bStride)
        {
            Vector512<short> x = Vector512.Create(((int*)a)[i]).AsInt16();
            c0 += Avx512BW.MultiplyAddAdjacent(x, Vector512.Load(b).AsInt16());
            c1 += Avx512BW.MultiplyAddAdjacent(x, Vector512.Load(b + 16).AsInt16());
            c2 += Avx512BW.MultiplyAddAdjacent(x, Vector512.Load(b + 32).AsInt16());
            c3 += Avx512BW.MultiplyAddAdjacent(x, Vector512.Load(b + 48).AsInt16());
        }
        StoreRow(c, aUnit, bUnits, c0, c1, c2, c3, accumulate);
    }

    private static void OneVector(short* a, float aUnit, int* b, int bStride, float* bUnits, float* c, int pairs, bool accumulate)
    {
        Vector512<int> sum = default;
        for (int i = 0; i < pairs; i++, b += bStride)
            sum += Avx512BW.MultiplyAddAdjacent(Vector512.Create(((int*)a)[i]).AsInt16(), Vector512.Load(b).AsInt16());
        Store(c, aUnit, bUnits, sum, accumulate);
    }

    private static void StoreRow(
        float* c, float aUnit, float* bUnits, Vector512<int> c0, Vector512<int> c1, Vector512<int> c2, Vector512<int> c3, bool accumulate)
    {
        Store(c, aUnit, bUnits, c0, accumulate);
        Store(c + 16, aUnit, bUnits + 16, c1, accumulate);
        Store(c + 32, aUnit, bUnits + 32, c2, accumulate);
        Store(c + 48, aUnit, bUnits + 48, c3, accumulate);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(float* c, float aUnit, float* bUnits, Vector512<int> sum, bool accumulate)
    {
        Vector512<float> product = Avx512F.ConvertToVector512Single(sum), unit = Vector512.Load(bUnits) * aUnit;
        (accumulate ? Vector512.FusedMultiplyAdd(product, unit, Vector512.Load(c)) : product * unit).Store(c);
    }
}
