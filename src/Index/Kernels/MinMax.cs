using System.Runtime.Intrinsics;

namespace Retrieval.Index.Kernels;

/// <summary>
/// Largest and smallest element of every axis over the rows of a page, and what they bound: for every row k of a page
/// q · k ≤ Σ_i max(q_i · largest_i, q_i · smallest_i).
/// </summary>
public static unsafe class MinMax
{
    // 16 KB of widened bounds at 128 elements.
    private const int TilePages = 16;

    // Queries whose halves by sign are on the stack together; a larger group takes several passes.
    private const int TileQueries = 8;

    /// <summary>Reference. As <see cref="Bounds"/>.</summary>
    public static void BoundsReference(float* rows, int count, int dim, ushort* bounds)
    {
        for (int i = 0; i < dim; i++)
        {
            float largest = rows[i], smallest = rows[i];
            for (int r = 1; r < count; r++)
            {
                largest = MathF.Max(largest, rows[r * dim + i]);
                smallest = MathF.Min(smallest, rows[r * dim + i]);
            }
            bounds[i] = RoundUp((Half)Math.Clamp(largest, -65504f, 65504f), largest);
            bounds[dim + i] = RoundDown((Half)Math.Clamp(smallest, -65504f, 65504f), smallest);
        }
    }

    /// <summary>
    /// Bounds of a page, as halves that are rounded outwards, so that they hold for rows of any precision; rows beyond ±65,504 are
    /// taken as that.
    /// </summary>
    /// <param name="rows">[count, dim], finite.</param>
    /// <param name="count">At least 1.</param>
    /// <param name="bounds">[2, dim]: the largest elements, then the smallest.</param>
    public static void Bounds(float* rows, int count, int dim, ushort* bounds)
    {
        if (!Vector256.IsHardwareAccelerated || dim % 16 != 0)
        {
            BoundsReference(rows, count, dim, bounds);
            return;
        }
        float* exact = stackalloc float[2 * dim];
        for (int i = 0; i < dim; i += 16)
        {
            Vector512<float> largest = Vector512.Load(rows + i), smallest = largest;
            for (int r = 1; r < count; r++)
            {
                Vector512<float> row = Vector512.Load(rows + r * dim + i);
                largest = Vector512.MaxNative(largest, row);
                smallest = Vector512.MinNative(smallest, row);
            }
            largest.Store(exact + i);
            smallest.Store(exact + dim + i);
        }
        HalfRow.Narrow(exact, bounds, 2 * dim);
        for (int i = 0; i < dim; i++)
        {
            bounds[i] = RoundUp(BitConverter.UInt16BitsToHalf(bounds[i]), exact[i]);
            bounds[dim + i] = RoundDown(BitConverter.UInt16BitsToHalf(bounds[dim + i]), exact[dim + i]);
        }
    }

    /// <summary>Reference. As <see cref="Scores"/>.</summary>
    public static void ScoresReference(ushort* bounds, int pages, int dim, float* queries, int group, float* scores, int scoreStride)
    {
        for (int g = 0; g < group; g++)
        {
            for (int p = 0; p < pages; p++)
            {
                ushort* page = bounds + (long)p * 2 * dim;
                float sum = 0;
                for (int i = 0; i < dim; i++)
                {
                    float q = queries[g * dim + i];
                    sum += MathF.Max(q * (float)BitConverter.UInt16BitsToHalf(page[i]), q * (float)BitConverter.UInt16BitsToHalf(page[dim + i]));
                }
                scores[(long)g * scoreStride + p] = sum;
            }
        }
    }

    /// <summary>
    /// scores[g, p] = Σ_i max(q_i · largest_i, q_i · smallest_i). The sign of q_i alone says which product is the larger, so this is
    /// the dot product of the bounds, 2·dim long, with the positive elements of q and then the negative ones.
    /// </summary>
    /// <param name="bounds">[pages, 2, dim], halves, as <see cref="Bounds"/> makes them.</param>
    /// <param name="queries">[group, dim]</param>
    /// <param name="scores">[group, scoreStride], the first <paramref name="pages"/> of each are written.</param>
    public static void Scores(ushort* bounds, int pages, int dim, float* queries, int group, float* scores, int scoreStride)
    {
        int width = 2 * dim;
        float* tile = stackalloc float[TilePages * width], signed = stackalloc float[TileQueries * width];
        for (int g = 0; g < group; g += TileQueries)
        {
            int some = Math.Min(TileQueries, group - g);
            for (int i = 0; i < some * dim; i++)
            {
                float q = queries[g * dim + i];
                float* target = signed + i / dim * width + i % dim;
                target[0] = MathF.Max(q, 0);
                target[dim] = MathF.Min(q, 0);
            }
            for (int p = 0; p < pages; p += TilePages)
            {
                int tilePages = Math.Min(TilePages, pages - p);
                HalfRow.Widen(bounds + (long)p * width, tile, tilePages * width);
                TileScores.Compute(tile, tilePages, width, signed, some, scores + (long)g * scoreStride + p, scoreStride);
            }
        }
    }

    private static ushort RoundUp(Half rounded, float exact)
        => BitConverter.HalfToUInt16Bits((float)rounded < exact && rounded < Half.MaxValue ? Half.BitIncrement(rounded) : rounded);

    private static ushort RoundDown(Half rounded, float exact)
        => BitConverter.HalfToUInt16Bits((float)rounded > exact && rounded > Half.MinValue ? Half.BitDecrement(rounded) : rounded);
}
