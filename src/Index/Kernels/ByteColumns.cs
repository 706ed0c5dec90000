using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Retrieval.Index.Kernels;

/// <summary>
/// Dot products of a group's queries with vectors of signed bytes that stand in panels of sixteen, axis after axis, so that a panel
/// fills a register and no sum crosses lanes: scores of an index's lists.
/// </summary>
public static unsafe class ByteColumns
{
    /// <summary>Vectors of a panel.</summary>
    public const int Lanes = 16;

    /// <summary>Reference. Shapes as in <see cref="Multiply"/>.</summary>
    public static void MultiplyReference(sbyte* panels, int stride, int* chosen, int count, int dim, float* queries, int group, float* products, int productStride)
    {
        for (int g = 0; g < group; g++)
        {
            for (int c = 0; c < count * Lanes; c++)
            {
                sbyte* column = At(panels, stride, chosen, c / Lanes) + c % Lanes;
                float sum = 0;
                for (int i = 0; i < dim; i++)
                    sum += queries[g * dim + i] * column[i * Lanes];
                products[(long)g * productStride + c] = sum;
            }
        }
    }

    /// <summary>products[g, 16 k + lane] = Σ_i queries[g, i] · panel[i, lane] for the k-th of the chosen panels.</summary>
    /// <param name="panels">Where panel 0 begins; each is [dim, 16].</param>
    /// <param name="stride">Bytes from one panel to the next.</param>
    /// <param name="chosen">[count]: numbers of panels; null: the first so many.</param>
    /// <param name="queries">[group, dim], scales of the axes included.</param>
    /// <param name="products">[group, productStride]</param>
    public static void Multiply(sbyte* panels, int stride, int* chosen, int count, int dim, float* queries, int group, float* products, int productStride)
    {
        if (!Vector256.IsHardwareAccelerated)
        {
            MultiplyReference(panels, stride, chosen, count, dim, queries, group, products, productStride);
            return;
        }
        int g = 0;
        for (; g <= group - 3; g += 3)
            Three(panels, stride, chosen, count, dim, queries + g * dim, products + (long)g * productStride, productStride);
        for (; g < group; g++)
            One(panels, stride, chosen, count, dim, queries + g * dim, products + (long)g * productStride);
    }

    private static void Three(sbyte* panels, int stride, int* chosen, int count, int dim, float* queries, float* products, int productStride)
    {
        int k = 0;
        for (; k <= count - 4; k += 4, products += 4 * Lanes)
        {
            Vector512<float> a0 = default, a1 = default, a2 = default, a3 = default, b0 = default, b1 = default, b2 = default, b3 = default;
            Vector512<float> c0 = default, c1 = default, c2 = default, c3 = default;
            sbyte* p0 = At(panels, stride, chosen, k), p1 = At(panels, stride, chosen, k + 1), p2 = At(panels, stride, chosen, k + 2), p3 = At(panels, stride, chosen, k + 3);
            for (int i = 0; i < dim; i++)
            {
                nint at = i * Lanes;
                Vector512<float> v0 = Widen(p0 + at), v1 = Widen(p1 + at), v2 = Widen(p2 + at), v3 = Widen(p3 + at);
                Vector512<float> x = Vector512.Create(queries[i]), y = Vector512.Create(queries[dim + i]), z = Vector512.Create(queries[2 * dim + i]);
                a0 = Vector512.FusedMultiplyAdd(x, v0, a0);
                a1 = Vector512.FusedMultiplyAdd(x, v1, a1);
                a2 = Vector512.FusedMultiplyAdd(x, v2, a2);
                a3 = Vector512.FusedMultiplyAdd(x, v3, a3);
                b0 = Vector512.FusedMultiplyAdd(y, v0, b0);
                b1 = Vector512.FusedMultiplyAdd(y, v1, b1);
                b2 = Vector512.FusedMultiplyAdd(y, v2, b2);
                b3 = Vector512.FusedMultiplyAdd(y, v3, b3);
                c0 = Vector512.FusedMultiplyAdd(z, v0, c0);
                c1 = Vector512.FusedMultiplyAdd(z, v1, c1);
                c2 = Vector512.FusedMultiplyAdd(z, v2, c2);
                c3 = Vector512.FusedMultiplyAdd(z, v3, c3);
            }
            Store(products, a0, a1, a2, a3);
            Store(products + productStride, b0, b1, b2, b3);
            Store(products + 2L * productStride, c0, c1, c2, c3);
        }
        for (; k <= count - 2; k += 2, products += 2 * Lanes)
        {
            Vector512<float> a0 = default, a1 = default, b0 = default, b1 = default, c0 = default, c1 = default;
            sbyte* p0 = At(panels, stride, chosen, k), p1 = At(panels, stride, chosen, k + 1);
            for (int i = 0; i < dim; i++)
            {
                nint at = i * Lanes;
                Vector512<float> v0 = Widen(p0 + at), v1 = Widen(p1 + at);
                Vector512<float> x = Vector512.Create(queries[i]), y = Vector512.Create(queries[dim + i]), z = Vector512.Create(queries[2 * dim + i]);
                a0 = Vector512.FusedMultiplyAdd(x, v0, a0);
                a1 = Vector512.FusedMultiplyAdd(x, v1, a1);
                b0 = Vector512.FusedMultiplyAdd(y, v0, b0);
                b1 = Vector512.FusedMultiplyAdd(y, v1, b1);
                c0 = Vector512.FusedMultiplyAdd(z, v0, c0);
                c1 = Vector512.FusedMultiplyAdd(z, v1, c1);
            }
            a0.Store(products);
            a1.Store(products + Lanes);
            b0.Store(products + productStride);
            b1.Store(products + productStride + Lanes);
            c0.Store(products + 2L * productStride);
            c1.Store(products + 2L * productStride + Lanes);
        }
        for (; k < count; k++, products += Lanes)
        {
            // Two sums each: one alone waits for itself.
            Vector512<float> a0 = default, b0 = default, c0 = default, a1 = default, b1 = default, c1 = default;
            sbyte* panel = At(panels, stride, chosen, k);
            int i = 0;
            for (; i <= dim - 2; i += 2, panel += 2 * Lanes)
            {
                Vector512<float> v0 = Widen(panel), v1 = Widen(panel + Lanes);
                a0 = Vector512.FusedMultiplyAdd(Vector512.Create(queries[i]), v0, a0);
                b0 = Vector512.FusedMultiplyAdd(Vector512.Create(queries[dim + i]), v0, b0);
                c0 = Vector512.FusedMultiplyAdd(Vector512.Create(queries[2 * dim + i]), v0, c0);
                a1 = Vector512.FusedMultiplyAdd(Vector512.Create(queries[i + 1]), v1, a1);
                b1 = Vector512.FusedMultiplyAdd(Vector512.Create(queries[dim + i + 1]), v1, b1);
                c1 = Vector512.FusedMultiplyAdd(Vector512.Create(queries[2 * dim + i + 1]), v1, c1);
            }
            if (i < dim)
            {
                Vector512<float> v = Widen(panel);
                a0 = Vector512.FusedMultiplyAdd(Vector512.Create(queries[i]), v, a0);
                b0 = Vector512.FusedMultiplyAdd(Vector512.Create(queries[dim + i]), v, b0);
                c0 = Vector512.FusedMultiplyAdd(Vector512.Create(queries[2 * dim + i]), v, c0);
            }
            (a0 + a1).Store(products);
            (b0 + b1).Store(products + productStride);
            (c0 + c1).Store(products + 2L * productStride);
        }
    }

    private static void One(sbyte* panels, int stride, int* chosen, int count, int dim, float* query, float* products)
    {
        int k = 0;
        for (; k <= count - 4; k += 4, products += 4 * Lanes)
        {
            Vector512<float> a0 = default, a1 = default, a2 = default, a3 = default;
            sbyte* p0 = At(panels, stride, chosen, k), p1 = At(panels, stride, chosen, k + 1), p2 = At(panels, stride, chosen, k + 2), p3 = At(panels, stride, chosen, k + 3);
            for (int i = 0; i < dim; i++)
            {
                nint at = i * Lanes;
                Vector512<float> x = Vector512.Create(query[i]);
                a0 = Vector512.FusedMultiplyAdd(x, Widen(p0 + at), a0);
                a1 = Vector512.FusedMultiplyAdd(x, Widen(p1 + at), a1);
                a2 = Vector512.FusedMultiplyAdd(x, Widen(p2 + at), a2);
                a3 = Vector512.FusedMultiplyAdd(x, Widen(p3 + at), a3);
            }
            Store(products, a0, a1, a2, a3);
        }
        for (; k < count; k++, products += Lanes)
        {
            Vector512<float> sum = default;
            sbyte* panel = At(panels, stride, chosen, k);
            for (int i = 0; i < dim; i++, panel += Lanes)
                sum = Vector512.FusedMultiplyAdd(Vector512.Create(query[i]), Widen(panel), sum);
            sum.Store(products);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static sbyte* At(sbyte* panels, int stride, int* chosen, int k) => panels + (long)(chosen == null ? k : chosen[k]) * stride;

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
