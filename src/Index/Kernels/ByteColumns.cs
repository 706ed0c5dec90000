using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Retrieval.Index.Kernels;

/// <summary>
/// Dot products of a group's queries with vectors of signed bytes that lie axis after axis, so that sixteen vectors fill a
/// register and no sum crosses lanes: scores of an index's lists.
/// </summary>
public static unsafe class ByteColumns
{
    /// <summary>Reference. Shapes as in <see cref="Multiply"/>.</summary>
    public static void MultiplyReference(sbyte* columns, int stride, int dim, float* queries, int group, float* products, int productStride, int count)
    {
        for (int g = 0; g < group; g++)
        {
            for (int c = 0; c < count; c++)
            {
                float sum = 0;
                for (int i = 0; i < dim; i++)
                    sum += queries[g * dim + i] * columns[(long)i * stride + c];
                products[(long)g * productStride + c] = sum;
            }
        }
    }

    /// <summary>products[g, c] = Σ_i queries[g, i] · columns[i, c].</summary>
    /// <param name="columns">[dim, stride]</param>
    /// <param name="queries">[group, dim], scales of the axes included.</param>
    /// <param name="products">[group, productStride]</param>
    /// <param name="count">A multiple of 16 for the fast path.</param>
    public static void Multiply(sbyte* columns, int stride, int dim, float* queries, int group, float* products, int productStride, int count)
    {
        if (!Vector256.IsHardwareAccelerated || count % 16 != 0)
        {
            MultiplyReference(columns, stride, dim, queries, group, products, productStride, count);
            return;
        }
        int g = 0;
        for (; g <= group - 3; g += 3)
            Three(columns, stride, dim, queries + g * dim, products + (long)g * productStride, productStride, count);
        for (; g < group; g++)
            One(columns, stride, dim, queries + g * dim, products + (long)g * productStride, count);
    }

    private static void Three(sbyte* columns, int stride, int dim, float* queries, float* products, int productStride, int count)
    {
        int c = 0;
        for (; c <= count - 64; c += 64)
        {
            Vector512<float> a0 = default, a1 = default, a2 = default, a3 = default, b0 = default, b1 = default, b2 = default, b3 = default;
            Vector512<float> c0 = default, c1 = default, c2 = default, c3 = default;
            sbyte* column = columns + c;
            for (int i = 0; i < dim; i++, column += stride)
            {
                Vector512<float> v0 = Widen(column), v1 = Widen(column + 16), v2 = Widen(column + 32), v3 = Widen(column + 48);
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
            float* p = products + c;
            Store(p, a0, a1, a2, a3);
            Store(p + productStride, b0, b1, b2, b3);
            Store(p + 2L * productStride, c0, c1, c2, c3);
        }
        for (; c <= count - 32; c += 32)
        {
            Vector512<float> a0 = default, a1 = default, b0 = default, b1 = default, c0 = default, c1 = default;
            sbyte* column = columns + c;
            for (int i = 0; i < dim; i++, column += stride)
            {
                Vector512<float> v0 = Widen(column), v1 = Widen(column + 16);
                Vector512<float> x = Vector512.Create(queries[i]), y = Vector512.Create(queries[dim + i]), z = Vector512.Create(queries[2 * dim + i]);
                a0 = Vector512.FusedMultiplyAdd(x, v0, a0);
                a1 = Vector512.FusedMultiplyAdd(x, v1, a1);
                b0 = Vector512.FusedMultiplyAdd(y, v0, b0);
                b1 = Vector512.FusedMultiplyAdd(y, v1, b1);
                c0 = Vector512.FusedMultiplyAdd(z, v0, c0);
                c1 = Vector512.FusedMultiplyAdd(z, v1, c1);
            }
            float* p = products + c;
            a0.Store(p);
            a1.Store(p + 16);
            b0.Store(p + productStride);
            b1.Store(p + productStride + 16);
            c0.Store(p + 2L * productStride);
            c1.Store(p + 2L * productStride + 16);
        }
        for (; c < count; c += 16)
        {
            for (int g = 0; g < 3; g++)
                Column(columns + c, stride, dim, queries + g * dim).Store(products + (long)g * productStride + c);
        }
    }

    private static void One(sbyte* columns, int stride, int dim, float* query, float* products, int count)
    {
        int c = 0;
        for (; c <= count - 64; c += 64)
        {
            Vector512<float> a0 = default, a1 = default, a2 = default, a3 = default;
            sbyte* column = columns + c;
            for (int i = 0; i < dim; i++, column += stride)
            {
                Vector512<float> x = Vector512.Create(query[i]);
                a0 = Vector512.FusedMultiplyAdd(x, Widen(column), a0);
                a1 = Vector512.FusedMultiplyAdd(x, Widen(column + 16), a1);
                a2 = Vector512.FusedMultiplyAdd(x, Widen(column + 32), a2);
                a3 = Vector512.FusedMultiplyAdd(x, Widen(column + 48), a3);
            }
            Store(products + c, a0, a1, a2, a3);
        }
        for (; c < count; c += 16)
            Column(columns + c, stride, dim, query).Store(products + c);
    }

    private static Vector512<float> Column(sbyte* columns, int stride, int dim, float* query)
    {
        Vector512<float> sum = default;
        for (int i = 0; i < dim; i++, columns += stride)
            sum = Vector512.FusedMultiplyAdd(Vector512.Create(query[i]), Widen(columns), sum);
        return sum;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static void Store(float* target, Vector512<float> a, Vector512<float> b, Vector512<float> c, Vector512<float> d)
    {
        a.Store(target);
        b.Store(target + 16);
        c.Store(target + 32);
        d.Store(target + 48);
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
