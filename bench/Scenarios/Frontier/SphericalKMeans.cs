using System.Numerics.Tensors;
using Retrieval.Index.Kernels;

namespace Retrieval.Scenarios.Frontier;

/// <summary>
/// The clustering of RetroInfer's released code (arXiv 2505.02922): rows go to the unit centroid with the largest dot product, nine
/// times within segments of the rows and a last time among the centroids of all segments. Starts from rows at a uniform stride; an
/// empty cluster keeps its centroid. Sums are taken in row order, so that two runs give the same bits.
/// </summary>
internal static unsafe class SphericalKMeans
{
    private const int Iterations = 10;
    private const int Panel = 64;

    /// <summary>Clusters rows.</summary>
    /// <param name="rows">[count, dim], their mean taken out.</param>
    /// <param name="clusters">Of each segment.</param>
    /// <returns>[count], numbers below segments · clusters.</returns>
    public static int[] Run(float[] rows, int dim, int segments, int clusters)
    {
        int count = rows.Length / dim;
        var centroids = new float[segments * clusters * dim];
        var assignment = new int[count];
        int First(int segment) => (int)((long)count * segment / segments);
        for (int s = 0; s < segments; s++)
        {
            int first = First(s), size = First(s + 1) - first;
            Span<float> own = centroids.AsSpan(s * clusters * dim, clusters * dim);
            for (int c = 0; c < clusters; c++)
                rows.AsSpan((first + (int)((c + 0.5) * size / clusters)) * dim, dim).CopyTo(own[(c * dim)..]);
            Normalise(own, dim);
            for (int iteration = 1; iteration < Iterations; iteration++)
            {
                Assign(rows.AsSpan(first * dim, size * dim), dim, own, assignment.AsSpan(first, size));
                Update(rows.AsSpan(first * dim, size * dim), dim, own, assignment.AsSpan(first, size));
            }
        }
        Assign(rows, dim, centroids, assignment);
        return assignment;
    }

    private static void Assign(ReadOnlySpan<float> rows, int dim, ReadOnlySpan<float> centroids, Span<int> assignment)
    {
        int clusters = centroids.Length / dim;
        float[] products = new float[clusters * Panel], panel = new float[dim * Panel], nothing = new float[clusters];
        int* best = stackalloc int[Panel];
        fixed (float* row = rows, centroid = centroids, product = products, columns = panel, zero = nothing)
        {
            for (int first = 0; first < assignment.Length; first += Panel)
            {
                int some = Math.Min(Panel, assignment.Length - first);
                Transpose.Apply(row + (long)first * dim, some, dim, columns, Panel);
                PanelMultiply.Multiply(centroid, dim, columns, Panel, product, Panel, clusters, dim, Panel, false);
                NearestCentroid.Best(product, Panel, Panel, zero, clusters, best);
                new ReadOnlySpan<int>(best, some).CopyTo(assignment[first..]);
            }
        }
    }

    private static void Update(ReadOnlySpan<float> rows, int dim, Span<float> centroids, ReadOnlySpan<int> assignment)
    {
        var filled = new bool[centroids.Length / dim];
        for (int r = 0; r < assignment.Length; r++)
        {
            Span<float> sum = centroids.Slice(assignment[r] * dim, dim);
            ReadOnlySpan<float> row = rows.Slice(r * dim, dim);
            if (filled[assignment[r]])
                TensorPrimitives.Add(sum, row, sum);
            else
                row.CopyTo(sum);
            filled[assignment[r]] = true;
        }
        Normalise(centroids, dim);
    }

    private static void Normalise(Span<float> centroids, int dim)
    {
        for (; centroids.Length > 0; centroids = centroids[dim..])
        {
            Span<float> centroid = centroids[..dim];
            float norm = TensorPrimitives.Norm<float>(centroid);
            if (norm > 0)
                TensorPrimitives.Divide(centroid, norm, centroid);
        }
    }
}
