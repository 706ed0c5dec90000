using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Retrieval.Index.Kernels;

/// <summary>Dot products of a group's queries with scattered rows of signed bytes, without widening these to memory: keys that an index chose.</summary>
public static unsafe class ByteRowScores
{
    // Summed up together.
    private const int Rows = 4;

    /// <summary>Reference. As <see cref="Compute"/>.</summary>
    public static void ComputeReference(nint* rows, float* scales, int count, int dim, float* queries, int group, float* scores, int stride)
    {
        for (int g = 0; g < group; g++)
        {
            for (int r = 0; r < count; r++)
            {
                float sum = 0;
                for (int i = 0; i < dim; i++)
                    sum += queries[g * dim + i] * ((sbyte*)rows[r])[i];
                scores[(long)g * stride + r] = scales[r] * sum;
            }
        }
    }

    /// <summary>scores[g, r] = scales[r] · Σ_i queries[g, i] · rows[r][i]. A row's does not depend on where it stands.</summary>
    /// <param name="rows">[count]: where each begins.</param>
    /// <param name="scales">[count]</param>
    /// <param name="queries">[group, dim]</param>
    /// <param name="scores">[group, stride]</param>
    public static void Compute(nint* rows, float* scales, int count, int dim, float* queries, int group, float* scores, int stride)
    {
        if (!Vector256.IsHardwareAccelerated || dim % 16 != 0)
        {
            ComputeReference(rows, scales, count, dim, queries, group, scores, stride);
            return;
        }
        for (int g = 0, some; g < group; g += some)
        {
            some = QueryCount.Next(group - g);
            float* own = queries + g * dim, target = scores + (long)g * stride;
            if (some == 3)
                Compute<ThreeQueries>(rows, scales, count, dim, own, target, stride);
            else if (some == 2)
                Compute<TwoQueries>(rows, scales, count, dim, own, target, stride);
            else
                Compute<OneQuery>(rows, scales, count, dim, own, target, stride);
        }
    }

    private static void Compute<TQueries>(nint* rows, float* scales, int count, int dim, float* queries, float* scores, int stride)
        where TQueries : struct, IQueryCount
    {
        int r = 0;
        for (; r <= count - Rows; r += Rows)
            Four<TQueries>(rows + r, Vector128.Load(scales + r), dim, queries, scores + r, stride);
        if (r == count)
            return;
        nint* last = stackalloc nint[Rows];
        float* ofLast = stackalloc float[Rows], found = stackalloc float[Rows * TQueries.Count];
        for (int i = 0; i < Rows; i++)
            (last[i], ofLast[i]) = (rows[Math.Min(r + i, count - 1)], scales[Math.Min(r + i, count - 1)]);
        Four<TQueries>(last, Vector128.Load(ofLast), dim, queries, found, Rows);
        for (int g = 0; g < TQueries.Count; g++)
            new ReadOnlySpan<float>(found + g * Rows, count - r).CopyTo(new Span<float>(scores + (long)g * stride + r, count - r));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Four<TQueries>(nint* rows, Vector128<float> scale, int dim, float* queries, float* scores, nint stride)
        where TQueries : struct, IQueryCount
    {
        bool second = TQueries.Count > 1, third = TQueries.Count > 2;
        sbyte* p0 = (sbyte*)rows[0], p1 = (sbyte*)rows[1], p2 = (sbyte*)rows[2], p3 = (sbyte*)rows[3];
        Vector512<float> a0 = default, a1 = default, a2 = default, a3 = default, b0 = default, b1 = default, b2 = default, b3 = default;
        Vector512<float> c0 = default, c1 = default, c2 = default, c3 = default;
        for (int i = 0; i < dim; i += 16)
        {
            Vector512<float> v0 = ByteColumns.Widen(p0 + i), v1 = ByteColumns.Widen(p1 + i), v2 = ByteColumns.Widen(p2 + i), v3 = ByteColumns.Widen(p3 + i);
            Vector512<float> q = Vector512.Load(queries + i);
            a0 = Vector512.FusedMultiplyAdd(q, v0, a0);
            a1 = Vector512.FusedMultiplyAdd(q, v1, a1);
            a2 = Vector512.FusedMultiplyAdd(q, v2, a2);
            a3 = Vector512.FusedMultiplyAdd(q, v3, a3);
            if (second)
            {
                q = Vector512.Load(queries + dim + i);
                b0 = Vector512.FusedMultiplyAdd(q, v0, b0);
                b1 = Vector512.FusedMultiplyAdd(q, v1, b1);
                b2 = Vector512.FusedMultiplyAdd(q, v2, b2);
                b3 = Vector512.FusedMultiplyAdd(q, v3, b3);
            }
            if (third)
            {
                q = Vector512.Load(queries + 2 * dim + i);
                c0 = Vector512.FusedMultiplyAdd(q, v0, c0);
                c1 = Vector512.FusedMultiplyAdd(q, v1, c1);
                c2 = Vector512.FusedMultiplyAdd(q, v2, c2);
                c3 = Vector512.FusedMultiplyAdd(q, v3, c3);
            }
        }
        (AcrossLanes.SumEach(a0, a1, a2, a3) * scale).Store(scores);
        if (second)
            (AcrossLanes.SumEach(b0, b1, b2, b3) * scale).Store(scores + stride);
        if (third)
            (AcrossLanes.SumEach(c0, c1, c2, c3) * scale).Store(scores + 2 * stride);
    }
}
