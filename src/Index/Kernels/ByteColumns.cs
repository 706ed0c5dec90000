using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Retrieval.Index.Kernels;

/// <summary>
/// Dot products of a group's queries with vectors of signed bytes that stand in panels of sixteen, two axes after two axes, so that a
/// panel fills a register and no sum crosses lanes: scores of an index's lists. Queries are rounded to whole numbers of sixteen bits (fewer
/// above 512 axes), which processors multiply in pairs: seven instructions for two axes and three queries instead of ten, and what is lost is far below what the bytes lose.
/// </summary>
public static unsafe class ByteColumns
{
    /// <summary>Vectors of a panel.</summary>
    public const int Lanes = 16;

    // Of the elements of a query; and of a byte, for what a sum can hold.
    private const int Largest = short.MaxValue, LargestByte = 128;

    /// <summary>Elements of a rounded query, and of a panel's vectors: whole pairs.</summary>
    public static int Even(int dim) => (dim + 1) / 2 * 2;

    /// <summary>Where an element stands in its panel.</summary>
    public static int At(int axis, int lane) => (axis / 2 * Lanes + lane) * 2 + axis % 2;

    /// <summary>Reference. As <see cref="Round"/>.</summary>
    public static float RoundReference(float* query, float* scale, int dim, short* rounded)
    {
        float largest = 0;
        for (int i = 0; i < dim; i++)
            largest = MathF.Max(largest, MathF.Abs(query[i] * scale[i]));
        float unit = Unit(largest, dim), inverse = unit > 0 ? 1 / unit : 0;
        for (int i = 0; i < dim; i++)
            rounded[i] = (short)MathF.Round(query[i] * scale[i] * inverse);
        if (dim % 2 != 0)
            rounded[dim] = 0;
        return unit;
    }

    /// <summary>Rounds a query times the scales of its axes to whole numbers, ties to even.</summary>
    /// <param name="query">[dim], finite.</param>
    /// <param name="scale">[dim]</param>
    /// <param name="rounded">[<see cref="Even"/>]</param>
    /// <returns>What a whole number is worth, so that the largest element is the largest that no sum can leave its range with; 0 for a query of zeros.</returns>
    public static float Round(float* query, float* scale, int dim, short* rounded)
    {
        if (!Vector256.IsHardwareAccelerated || dim % 8 != 0)
            return RoundReference(query, scale, dim, rounded);
        Vector256<float> max = default;
        for (int i = 0; i < dim; i += 8)
            max = Vector256.MaxNative(max, Vector256.Abs(Vector256.Load(query + i) * Vector256.Load(scale + i)));
        Vector128<float> four = Vector128.MaxNative(max.GetLower(), max.GetUpper());
        float unit = Unit(MathF.Max(MathF.Max(four[0], four[1]), MathF.Max(four[2], four[3])), dim);
        Vector256<float> inverse = Vector256.Create(unit > 0 ? 1 / unit : 0);
        for (int i = 0; i < dim; i += 8)
        {
            Vector256<int> whole = Vector256.ConvertToInt32Native(Vector256.Round(Vector256.Load(query + i) * Vector256.Load(scale + i) * inverse));
            Vector128.Narrow(whole.GetLower(), whole.GetUpper()).Store(rounded + i);
        }
        return unit;
    }

    /// <summary>Reference. Shapes as in <see cref="Multiply"/>.</summary>
    public static void MultiplyReference(sbyte* panels, int stride, int* chosen, int count, int dim, short* queries, float* units, int group, float* products, int productStride)
    {
        for (int g = 0; g < group; g++)
        {
            for (int c = 0; c < count * Lanes; c++)
            {
                sbyte* panel = Panel(panels, stride, chosen, c / Lanes);
                int sum = 0;
                for (int i = 0; i < Even(dim); i++)
                    sum += queries[g * Even(dim) + i] * panel[At(i, c % Lanes)];
                products[(long)g * productStride + c] = units[g] * sum;
            }
        }
    }

    /// <summary>products[g, 16 k + lane] = units[g] Σ_i queries[g, i] · panel[i, lane] for the k-th of the chosen panels.</summary>
    /// <param name="panels">Where panel 0 begins; each is [dim / 2, 16, 2], see <see cref="At"/>, with zeros if dim is odd.</param>
    /// <param name="stride">Bytes from one panel to the next.</param>
    /// <param name="chosen">[count]: numbers of panels; null: the first so many.</param>
    /// <param name="queries">[group, <see cref="Even"/>], from <see cref="Round"/>.</param>
    /// <param name="units">[group]</param>
    /// <param name="products">[group, productStride]</param>
    public static void Multiply(sbyte* panels, int stride, int* chosen, int count, int dim, short* queries, float* units, int group, float* products, int productStride)
    {
        if (!Avx2.IsSupported)
        {
            MultiplyReference(panels, stride, chosen, count, dim, queries, units, group, products, productStride);
            return;
        }
        int g = 0, even = Even(dim);
        for (; g <= group - 3; g += 3)
            Three(panels, stride, chosen, count, even, queries + g * even, units + g, products + (long)g * productStride, productStride);
        for (; g < group; g++)
            One(panels, stride, chosen, count, even, queries + g * even, units[g], products + (long)g * productStride);
    }

    private static void Three(sbyte* panels, int stride, int* chosen, int count, int even, short* queries, float* units, float* products, int productStride)
    {
        int* x = (int*)queries, y = (int*)(queries + even), z = (int*)(queries + 2 * even);
        Vector512<float> xUnit = Vector512.Create(units[0]), yUnit = Vector512.Create(units[1]), zUnit = Vector512.Create(units[2]);
        int k = 0;
        for (; k <= count - 4; k += 4, products += 4 * Lanes)
        {
            Vector512<int> a0 = default, a1 = default, a2 = default, a3 = default, b0 = default, b1 = default, b2 = default, b3 = default;
            Vector512<int> c0 = default, c1 = default, c2 = default, c3 = default;
            sbyte* p0 = Panel(panels, stride, chosen, k), p1 = Panel(panels, stride, chosen, k + 1), p2 = Panel(panels, stride, chosen, k + 2), p3 = Panel(panels, stride, chosen, k + 3);
            for (int pair = 0; pair < even / 2; pair++)
            {
                nint at = pair * 2 * Lanes;
                Vector512<short> v0 = Widen16(p0 + at), v1 = Widen16(p1 + at), v2 = Widen16(p2 + at), v3 = Widen16(p3 + at);
                Vector512<short> q = Vector512.Create(x[pair]).AsInt16(), r = Vector512.Create(y[pair]).AsInt16(), s = Vector512.Create(z[pair]).AsInt16();
                a0 += Products(v0, q);
                a1 += Products(v1, q);
                a2 += Products(v2, q);
                a3 += Products(v3, q);
                b0 += Products(v0, r);
                b1 += Products(v1, r);
                b2 += Products(v2, r);
                b3 += Products(v3, r);
                c0 += Products(v0, s);
                c1 += Products(v1, s);
                c2 += Products(v2, s);
                c3 += Products(v3, s);
            }
            Store(products, Floats(a0, xUnit), Floats(a1, xUnit), Floats(a2, xUnit), Floats(a3, xUnit));
            Store(products + productStride, Floats(b0, yUnit), Floats(b1, yUnit), Floats(b2, yUnit), Floats(b3, yUnit));
            Store(products + 2L * productStride, Floats(c0, zUnit), Floats(c1, zUnit), Floats(c2, zUnit), Floats(c3, zUnit));
        }
        for (; k < count; k++, products += Lanes)
        {
            Vector512<int> a = default, b = default, c = default;
            sbyte* panel = Panel(panels, stride, chosen, k);
            for (int pair = 0; pair < even / 2; pair++, panel += 2 * Lanes)
            {
                Vector512<short> v = Widen16(panel);
                a += Products(v, Vector512.Create(x[pair]).AsInt16());
                b += Products(v, Vector512.Create(y[pair]).AsInt16());
                c += Products(v, Vector512.Create(z[pair]).AsInt16());
            }
            Floats(a, xUnit).Store(products);
            Floats(b, yUnit).Store(products + productStride);
            Floats(c, zUnit).Store(products + 2L * productStride);
        }
    }

    private static void One(sbyte* panels, int stride, int* chosen, int count, int even, short* query, float unit, float* products)
    {
        int* x = (int*)query;
        Vector512<float> worth = Vector512.Create(unit);
        int k = 0;
        for (; k <= count - 4; k += 4, products += 4 * Lanes)
        {
            Vector512<int> a0 = default, a1 = default, a2 = default, a3 = default;
            sbyte* p0 = Panel(panels, stride, chosen, k), p1 = Panel(panels, stride, chosen, k + 1), p2 = Panel(panels, stride, chosen, k + 2), p3 = Panel(panels, stride, chosen, k + 3);
            for (int pair = 0; pair < even / 2; pair++)
            {
                nint at = pair * 2 * Lanes;
                Vector512<short> q = Vector512.Create(x[pair]).AsInt16();
                a0 += Products(Widen16(p0 + at), q);
                a1 += Products(Widen16(p1 + at), q);
                a2 += Products(Widen16(p2 + at), q);
                a3 += Products(Widen16(p3 + at), q);
            }
            Store(products, Floats(a0, worth), Floats(a1, worth), Floats(a2, worth), Floats(a3, worth));
        }
        for (; k < count; k++, products += Lanes)
        {
            Vector512<int> sum = default;
            sbyte* panel = Panel(panels, stride, chosen, k);
            for (int pair = 0; pair < even / 2; pair++, panel += 2 * Lanes)
                sum += Products(Widen16(panel), Vector512.Create(x[pair]).AsInt16());
            Floats(sum, worth).Store(products);
        }
    }

    /// <summary>One axis of a panel's sixteen vectors.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static Vector512<float> Axis(sbyte* panel, int axis)
    {
        Vector256<short> pairs = Vector256.Load((short*)(panel + At(axis & ~1, 0))), bytes = (axis % 2 == 0 ? pairs << 8 : pairs) >> 8;
        (Vector256<int> low, Vector256<int> high) = Vector256.Widen(bytes);
        return Vector512.ConvertToSingle(Vector512.Create(low, high));
    }

    // Products beyond a float, which take an absurd index or query, leave a finite unit.
    private static float Unit(float largest, int dim)
        => MathF.Min(largest, float.MaxValue) / Math.Min(Largest, int.MaxValue / (LargestByte * Even(Math.Max(dim, 1))));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static sbyte* Panel(sbyte* panels, int stride, int* chosen, int k) => panels + (long)(chosen == null ? k : chosen[k]) * stride;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Floats(Vector512<int> sums, Vector512<float> unit) => Vector512.ConvertToSingle(sums) * unit;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<short> Widen16(sbyte* bytes)
        => Avx512BW.IsSupported ? Avx512BW.ConvertToVector512Int16(Vector256.Load(bytes))
            : Vector512.Create(Avx2.ConvertToVector256Int16(Vector128.Load(bytes)), Avx2.ConvertToVector256Int16(Vector128.Load(bytes + 16)));

    /// <summary>Two products each, added.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<int> Products(Vector512<short> bytes, Vector512<short> query)
        => Avx512BW.IsSupported ? Avx512BW.MultiplyAddAdjacent(bytes, query)
            : Vector512.Create(Avx2.MultiplyAddAdjacent(bytes.GetLower(), query.GetLower()), Avx2.MultiplyAddAdjacent(bytes.GetUpper(), query.GetUpper()));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static void Store(float* target, Vector512<float> a, Vector512<float> b, Vector512<float> c, Vector512<float> d)
    {
        a.Store(target);
        b.Store(target + Lanes);
        c.Store(target + 2 * Lanes);
        d.Store(target + 3 * Lanes);
    }

    /// <summary>Sixteen signed bytes as floats.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static Vector512<float> Widen(sbyte* bytes)
    {
        if (Avx512F.IsSupported)
            return Vector512.ConvertToSingle(Avx512F.ConvertToVector512Int32(Vector128.Load(bytes)));
        (Vector128<short> low, Vector128<short> high) = Vector128.Widen(Vector128.Load(bytes));
        (Vector128<int> a, Vector128<int> b) = Vector128.Widen(low);
        (Vector128<int> c, Vector128<int> d) = Vector128.Widen(high);
        return Vector512.ConvertToSingle(Vector512.Create(Vector256.Create(a, b), Vector256.Create(c, d)));
    }
}
