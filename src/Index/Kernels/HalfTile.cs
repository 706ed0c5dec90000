using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Retrieval.Index.Kernels;

/// <summary>
/// <see cref="TileScores"/> and <see cref="TileWeightedSum"/> of rows of halves, without widening them to memory. A half whose bits are moved
/// to where a float has them is <see cref="Unit"/> times too small, which the caller multiplies into queries and weights beforehand: a power of
/// two, once for all rows.
/// </summary>
public static unsafe class HalfTile
{
    /// <summary>What queries and weights must have been multiplied with: 2^112, a half's exponent bias being 15 and a float's 127.</summary>
    public const float Unit = HalfRow.Rebias;

    /// <summary>Largest magnitude of a query's elements: times <see cref="Unit"/> they must be floats.</summary>
    public const float LargestQuery = 32768;

    private const int Lanes = 16;

    /// <summary>Is it faster than widening to a tile? It takes the registers of AVX-512 for three queries at once.</summary>
    public static bool Pays(int dim) => Avx512F.IsSupported && dim % Lanes == 0;

    /// <summary>Reference. As <see cref="Scores"/>.</summary>
    public static void ScoresReference(ushort* rows, int count, int dim, float* queries, int group, float* scores, int stride)
    {
        for (int g = 0; g < group; g++)
        {
            for (int r = 0; r < count; r++)
            {
                float sum = 0;
                for (int i = 0; i < dim; i++)
                    sum += queries[g * dim + i] / Unit * (float)BitConverter.UInt16BitsToHalf(rows[r * dim + i]);
                scores[g * stride + r] = sum;
            }
        }
    }

    /// <summary>scores[g, r] = queries[g] / Unit · rows[r].</summary>
    /// <param name="rows">[count, dim], halves.</param>
    /// <param name="queries">[group, dim], at most <see cref="LargestQuery"/>, times <see cref="Unit"/>.</param>
    /// <param name="scores">[group, stride], the first <paramref name="count"/> of each are written.</param>
    public static void Scores(ushort* rows, int count, int dim, float* queries, int group, float* scores, int stride)
    {
        if (!Pays(dim))
        {
            ScoresReference(rows, count, dim, queries, group, scores, stride);
            return;
        }
        int g = 0;
        for (; g <= group - 3; g += 3)
            ScoreThree(rows, count, dim, queries + g * dim, scores + g * stride, stride);
        for (; g < group; g++)
            ScoreOne(rows, count, dim, queries + g * dim, scores + g * stride);
    }

    /// <summary>Reference. As <see cref="Accumulate"/>.</summary>
    public static void AccumulateReference(ushort* rows, int count, int dim, float* weights, int stride, int group, float* output)
    {
        for (int g = 0; g < group; g++)
        {
            for (int r = 0; r < count; r++)
            {
                for (int i = 0; i < dim; i++)
                    output[g * dim + i] += weights[g * stride + r] / Unit * (float)BitConverter.UInt16BitsToHalf(rows[r * dim + i]);
            }
        }
    }

    /// <summary>output[g] += Σ_r weights[g, r] / Unit · rows[r].</summary>
    /// <param name="rows">[count, dim], halves.</param>
    /// <param name="weights">[group, stride], times <see cref="Unit"/>; the first <paramref name="count"/> of each are read.</param>
    /// <param name="output">[group, dim]</param>
    public static void Accumulate(ushort* rows, int count, int dim, float* weights, int stride, int group, float* output)
    {
        if (!Pays(dim))
        {
            AccumulateReference(rows, count, dim, weights, stride, group, output);
            return;
        }
        int g = 0;
        for (; g <= group - 3; g += 3)
        {
            for (int i = 0; i < dim; i += 2 * Lanes)
            {
                if (i <= dim - 2 * Lanes)
                    AddThree(rows + i, count, dim, weights + g * stride, stride, output + g * dim + i);
                else
                    AddOne(rows + i, count, dim, weights + g * stride, stride, 3, output + g * dim + i);
            }
        }
        for (int i = 0; g < group && i < dim; i += Lanes)
            AddOne(rows + i, count, dim, weights + g * stride, stride, group - g, output + g * dim + i);
    }

    private static void ScoreThree(ushort* rows, int count, int dim, float* queries, float* scores, int stride)
    {
        int r = 0;
        for (; r <= count - 8; r += 8)
        {
            Vector512<float> a0 = default, a1 = default, a2 = default, a3 = default, a4 = default, a5 = default, a6 = default, a7 = default;
            Vector512<float> b0 = default, b1 = default, b2 = default, b3 = default, b4 = default, b5 = default, b6 = default, b7 = default;
            Vector512<float> c0 = default, c1 = default, c2 = default, c3 = default, c4 = default, c5 = default, c6 = default, c7 = default;
            ushort* at = rows + (nint)r * dim;
            for (int i = 0; i < dim; i += Lanes, at += Lanes)
            {
                Vector512<float> x = Vector512.Load(queries + i), y = Vector512.Load(queries + dim + i), z = Vector512.Load(queries + 2 * dim + i);
                Step(at, x, y, z, ref a0, ref b0, ref c0);
                Step(at + dim, x, y, z, ref a1, ref b1, ref c1);
                Step(at + 2 * dim, x, y, z, ref a2, ref b2, ref c2);
                Step(at + 3 * dim, x, y, z, ref a3, ref b3, ref c3);
                Step(at + 4 * dim, x, y, z, ref a4, ref b4, ref c4);
                Step(at + 5 * dim, x, y, z, ref a5, ref b5, ref c5);
                Step(at + 6 * dim, x, y, z, ref a6, ref b6, ref c6);
                Step(at + 7 * dim, x, y, z, ref a7, ref b7, ref c7);
            }
            TileScores.SumEach(a0, a1, a2, a3, a4, a5, a6, a7).Store(scores + r);
            TileScores.SumEach(b0, b1, b2, b3, b4, b5, b6, b7).Store(scores + stride + r);
            TileScores.SumEach(c0, c1, c2, c3, c4, c5, c6, c7).Store(scores + 2 * stride + r);
        }
        for (int q = 0; q < 3 && r < count; q++)
            ScoreOne(rows + (nint)r * dim, count - r, dim, queries + q * dim, scores + q * stride + r);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Step(ushort* at, Vector512<float> x, Vector512<float> y, Vector512<float> z, ref Vector512<float> a, ref Vector512<float> b, ref Vector512<float> c)
    {
        Vector512<float> v = HalfRow.Move(at);
        a = Vector512.FusedMultiplyAdd(x, v, a);
        b = Vector512.FusedMultiplyAdd(y, v, b);
        c = Vector512.FusedMultiplyAdd(z, v, c);
    }

    private static void ScoreOne(ushort* rows, int count, int dim, float* query, float* scores)
    {
        int r = 0;
        for (; r <= count - 8; r += 8)
        {
            Vector512<float> a0 = default, a1 = default, a2 = default, a3 = default, a4 = default, a5 = default, a6 = default, a7 = default;
            ushort* at = rows + (nint)r * dim;
            for (int i = 0; i < dim; i += Lanes, at += Lanes)
            {
                Vector512<float> x = Vector512.Load(query + i);
                a0 = Vector512.FusedMultiplyAdd(x, HalfRow.Move(at), a0);
                a1 = Vector512.FusedMultiplyAdd(x, HalfRow.Move(at + dim), a1);
                a2 = Vector512.FusedMultiplyAdd(x, HalfRow.Move(at + 2 * dim), a2);
                a3 = Vector512.FusedMultiplyAdd(x, HalfRow.Move(at + 3 * dim), a3);
                a4 = Vector512.FusedMultiplyAdd(x, HalfRow.Move(at + 4 * dim), a4);
                a5 = Vector512.FusedMultiplyAdd(x, HalfRow.Move(at + 5 * dim), a5);
                a6 = Vector512.FusedMultiplyAdd(x, HalfRow.Move(at + 6 * dim), a6);
                a7 = Vector512.FusedMultiplyAdd(x, HalfRow.Move(at + 7 * dim), a7);
            }
            TileScores.SumEach(a0, a1, a2, a3, a4, a5, a6, a7).Store(scores + r);
        }
        for (; r < count; r++)
        {
            Vector512<float> sum = default;
            for (int i = 0; i < dim; i += Lanes)
                sum = Vector512.FusedMultiplyAdd(Vector512.Load(query + i), HalfRow.Move(rows + (nint)r * dim + i), sum);
            scores[r] = Vector512.Sum(sum);
        }
    }

    /// <summary>Two vectors of columns for three queries, two rows at a time on separate accumulators, so that additions do not wait for one another.</summary>
    private static void AddThree(ushort* rows, int count, int dim, float* weights, int stride, float* output)
    {
        float* second = output + dim, third = second + dim;
        Vector512<float> a0 = Vector512.Load(output), a1 = Vector512.Load(output + Lanes), b0 = Vector512.Load(second), b1 = Vector512.Load(second + Lanes);
        Vector512<float> c0 = Vector512.Load(third), c1 = Vector512.Load(third + Lanes);
        Vector512<float> d0 = default, d1 = default, e0 = default, e1 = default, f0 = default, f1 = default;
        int r = 0;
        for (; r <= count - 2; r += 2, rows += 2 * dim)
        {
            float* w = weights + r;
            Vector512<float> x = Vector512.Create(w[0]), y = Vector512.Create(w[stride]), z = Vector512.Create(w[2 * stride]);
            Step(rows, x, y, z, ref a0, ref b0, ref c0);
            Step(rows + Lanes, x, y, z, ref a1, ref b1, ref c1);
            (x, y, z) = (Vector512.Create(w[1]), Vector512.Create(w[stride + 1]), Vector512.Create(w[2 * stride + 1]));
            Step(rows + dim, x, y, z, ref d0, ref e0, ref f0);
            Step(rows + dim + Lanes, x, y, z, ref d1, ref e1, ref f1);
        }
        if (r < count)
        {
            float* w = weights + r;
            Vector512<float> x = Vector512.Create(w[0]), y = Vector512.Create(w[stride]), z = Vector512.Create(w[2 * stride]);
            Step(rows, x, y, z, ref a0, ref b0, ref c0);
            Step(rows + Lanes, x, y, z, ref a1, ref b1, ref c1);
        }
        (a0 + d0).Store(output);
        (a1 + d1).Store(output + Lanes);
        (b0 + e0).Store(second);
        (b1 + e1).Store(second + Lanes);
        (c0 + f0).Store(third);
        (c1 + f1).Store(third + Lanes);
    }

    private static void AddOne(ushort* rows, int count, int dim, float* weights, int stride, int group, float* output)
    {
        for (int g = 0; g < group; g++)
        {
            Vector512<float> sum = Vector512.Load(output + g * dim), other = default;
            int r = 0;
            for (; r <= count - 2; r += 2)
            {
                sum = Vector512.FusedMultiplyAdd(Vector512.Create(weights[g * stride + r]), HalfRow.Move(rows + (nint)r * dim), sum);
                other = Vector512.FusedMultiplyAdd(Vector512.Create(weights[g * stride + r + 1]), HalfRow.Move(rows + (nint)(r + 1) * dim), other);
            }
            if (r < count)
                sum = Vector512.FusedMultiplyAdd(Vector512.Create(weights[g * stride + r]), HalfRow.Move(rows + (nint)r * dim), sum);
            (sum + other).Store(output + g * dim);
        }
    }
}
