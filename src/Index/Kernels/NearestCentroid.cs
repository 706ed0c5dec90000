using System.Runtime.Intrinsics;

namespace Retrieval.Index.Kernels;

/// <summary>
/// The nearest of some centroids for many points, over coordinates that lie column after column, so that sixteen points fill a
/// vector. Distances are squared Euclidean; ties go to the lower centroid, and the first is taken where none is at a finite distance.
/// </summary>
public static unsafe class NearestCentroid
{
    /// <summary>Reference. As <see cref="Find"/>.</summary>
    public static void FindReference(float* columns, int stride, int points, int dim, float* centroids, int count, int* nearest)
    {
        for (int p = 0; p < points; p++)
        {
            float best = float.PositiveInfinity;
            nearest[p] = 0;
            for (int c = 0; c < count; c++)
            {
                float distance = 0;
                for (int i = 0; i < dim; i++)
                {
                    float difference = columns[i * stride + p] - centroids[c * dim + i];
                    distance += difference * difference;
                }
                if (distance < best)
                {
                    best = distance;
                    nearest[p] = c;
                }
            }
        }
    }

    /// <summary>nearest[p] = argmin_c Σ_i (columns[i, p] − centroids[c, i])².</summary>
    /// <param name="columns">[dim, stride], the first <paramref name="points"/> of each.</param>
    /// <param name="points">A multiple of 16 for the fast path.</param>
    /// <param name="centroids">[count, dim]</param>
    /// <param name="nearest">[points]</param>
    public static void Find(float* columns, int stride, int points, int dim, float* centroids, int count, int* nearest)
    {
        int p = 0;
        if (Vector256.IsHardwareAccelerated)
        {
            for (; p <= points - 16; p += 16)
            {
                Vector512<float> best = Vector512.Create(float.PositiveInfinity);
                Vector512<int> index = default;
                for (int c = 0; c < count; c++)
                {
                    Vector512<float> distance = default;
                    for (int i = 0; i < dim; i++)
                    {
                        Vector512<float> difference = Vector512.Load(columns + i * stride + p) - Vector512.Create(centroids[c * dim + i]);
                        distance = Vector512.FusedMultiplyAdd(difference, difference, distance);
                    }
                    Vector512<int> closer = Vector512.LessThan(distance, best).AsInt32();
                    best = Vector512.MinNative(distance, best);
                    index = Vector512.ConditionalSelect(closer, Vector512.Create(c), index);
                }
                index.Store(nearest + p);
            }
        }
        FindReference(columns + p, stride, points - p, dim, centroids, count, nearest + p);
    }

    /// <summary>Reference. As <see cref="Best"/>.</summary>
    public static void BestReference(float* products, int stride, int points, float* halfSquares, int count, int* nearest)
    {
        for (int p = 0; p < points; p++)
        {
            float best = float.NegativeInfinity;
            nearest[p] = 0;
            for (int c = 0; c < count; c++)
            {
                float score = products[c * stride + p] - halfSquares[c];
                if (score > best)
                {
                    best = score;
                    nearest[p] = c;
                }
            }
        }
    }

    /// <summary>
    /// The nearest centroid from dot products that a matrix product has made: argmin |p − c|² = argmax (p · c − |c|²/2).
    /// </summary>
    /// <param name="products">[count, stride], p · c, the first <paramref name="points"/> of each.</param>
    /// <param name="halfSquares">[count], |c|²/2; +∞ excludes a centroid.</param>
    public static void Best(float* products, int stride, int points, float* halfSquares, int count, int* nearest)
    {
        int p = 0;
        if (Vector256.IsHardwareAccelerated)
        {
            for (; p <= points - 16; p += 16)
            {
                Vector512<float> best = Vector512.Create(float.NegativeInfinity);
                Vector512<int> index = default;
                for (int c = 0; c < count; c++)
                {
                    Vector512<float> score = Vector512.Load(products + c * stride + p) - Vector512.Create(halfSquares[c]);
                    Vector512<int> better = Vector512.GreaterThan(score, best).AsInt32();
                    best = Vector512.MaxNative(score, best);
                    index = Vector512.ConditionalSelect(better, Vector512.Create(c), index);
                }
                index.Store(nearest + p);
            }
        }
        BestReference(products + p, stride, points - p, halfSquares, count, nearest + p);
    }
}
