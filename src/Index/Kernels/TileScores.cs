using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Retrieval.Index.Kernels;

/// <summary>
/// Dot products of a group's queries with a tile of rows. The tile is float32 and small enough for the first-level cache, so
/// that one widening of the stored rows serves all queries of the group.
/// </summary>
public static unsafe class TileScores
{
    /// <summary>Reference. Shapes as in <see cref="Compute"/>.</summary>
    public static void ComputeReference(float* tile, int rows, int dim, float* queries, int group, float* scores, int scoreStride)
    {
        for (int g = 0; g < group; g++)
        {
            for (int r = 0; r < rows; r++)
            {
                float sum = 0;
                for (int i = 0; i < dim; i++)
                    sum += queries[g * dim + i] * tile[r * dim + i];
                scores[g * scoreStride + r] = sum;
            }
        }
    }

    /// <summary>scores[g, r] = queries[g] · tile[r].</summary>
    /// <param name="tile">[rows, dim]</param>
    /// <param name="queries">[group, dim]</param>
    /// <param name="scores">[group, scoreStride], the first <paramref name="rows"/> of each are written.</param>
    public static void Compute(float* tile, int rows, int dim, float* queries, int group, float* scores, int scoreStride)
    {
        if (!Vector256.IsHardwareAccelerated || dim % 16 != 0)
        {
            ComputeReference(tile, rows, dim, queries, group, scores, scoreStride);
            return;
        }
        for (int g = 0; g < group; g++)
        {
            float* query = queries + g * dim;
            float* output = scores + g * scoreStride;
            int r = 0;
            for (; r <= rows - 8; r += 8)
                EightRows(tile + r * dim, dim, query).Store(output + r);
            for (; r < rows; r++)
                output[r] = OneRow(tile + r * dim, dim, query);
        }
    }

    private static float OneRow(float* row, int dim, float* query)
    {
        Vector512<float> sum = Vector512<float>.Zero;
        for (int i = 0; i < dim; i += 16)
            sum = Vector512.FusedMultiplyAdd(Vector512.Load(query + i), Vector512.Load(row + i), sum);
        return Vector512.Sum(sum);
    }

    private static Vector256<float> EightRows(float* rows, int dim, float* query)
    {
        Vector512<float> s0 = default, s1 = default, s2 = default, s3 = default, s4 = default, s5 = default, s6 = default, s7 = default;
        for (int i = 0; i < dim; i += 16)
        {
            Vector512<float> q = Vector512.Load(query + i);
            float* at = rows + i;
            s0 = Vector512.FusedMultiplyAdd(q, Vector512.Load(at), s0);
            s1 = Vector512.FusedMultiplyAdd(q, Vector512.Load(at + dim), s1);
            s2 = Vector512.FusedMultiplyAdd(q, Vector512.Load(at + 2 * dim), s2);
            s3 = Vector512.FusedMultiplyAdd(q, Vector512.Load(at + 3 * dim), s3);
            s4 = Vector512.FusedMultiplyAdd(q, Vector512.Load(at + 4 * dim), s4);
            s5 = Vector512.FusedMultiplyAdd(q, Vector512.Load(at + 5 * dim), s5);
            s6 = Vector512.FusedMultiplyAdd(q, Vector512.Load(at + 6 * dim), s6);
            s7 = Vector512.FusedMultiplyAdd(q, Vector512.Load(at + 7 * dim), s7);
        }
        return SumEach(s0, s1, s2, s3, s4, s5, s6, s7);
    }

    /// <summary>The eight horizontal sums of eight vectors.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static Vector256<float> SumEach(
        Vector512<float> a, Vector512<float> b, Vector512<float> c, Vector512<float> d,
        Vector512<float> e, Vector512<float> f, Vector512<float> g, Vector512<float> h)
        => SumEach(Fold(a), Fold(b), Fold(c), Fold(d), Fold(e), Fold(f), Fold(g), Fold(h));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> Fold(Vector512<float> v) => v.GetLower() + v.GetUpper();

    /// <summary>The eight horizontal sums of eight vectors, by a tree of pairwise shuffles.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> SumEach(
        Vector256<float> a, Vector256<float> b, Vector256<float> c, Vector256<float> d,
        Vector256<float> e, Vector256<float> f, Vector256<float> g, Vector256<float> h)
    {
        Vector256<float> abcd = Pairs(Pairs(a, b), Pairs(c, d)), efgh = Pairs(Pairs(e, f), Pairs(g, h));
        Vector128<float> first = abcd.GetLower() + abcd.GetUpper(), second = efgh.GetLower() + efgh.GetUpper();
        return Vector256.Create(first, second);
    }

    /// <summary>Adds neighbours within 128-bit lanes: [x0+x1, x2+x3, y0+y1, y2+y3] a lane.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> Pairs(Vector256<float> x, Vector256<float> y)
    {
        if (System.Runtime.Intrinsics.X86.Avx.IsSupported)
            return System.Runtime.Intrinsics.X86.Avx.HorizontalAdd(x, y);
        return Vector256.Create(Pairs(x.GetLower(), y.GetLower()), Pairs(x.GetUpper(), y.GetUpper()));
    }

    private static Vector128<float> Pairs(Vector128<float> x, Vector128<float> y)
        => Vector128.Create(x[0] + x[1], x[2] + x[3], y[0] + y[1], y[2] + y[3]);
}
