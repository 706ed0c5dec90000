using System.Buffers;
using System.Numerics.Tensors;
using Retrieval.Index.Kernels;

namespace Retrieval.Index;

/// <summary>
/// Lloyd's k-means over the rows of one segment. Starts from rows at a uniform stride and takes every sum in row order, so that
/// two runs give the same bits. An empty cluster keeps its place.
/// </summary>
internal static unsafe class KMeans
{
    private const int Panel = 64;

    /// <summary>Clusters rows.</summary>
    /// <param name="rows">[count, dim]</param>
    /// <param name="clusters">At most <paramref name="count"/>.</param>
    /// <param name="assignment">Receives each row's cluster, [count].</param>
    /// <returns>[clusters, dim], the means of the clusters; an empty one keeps its last place.</returns>
    public static float[] Run(float[] rows, int count, int dim, int clusters, int iterations, int[] assignment)
    {
        var centroids = new float[clusters * dim];
        for (int c = 0; c < clusters; c++)
            rows.AsSpan((int)((c + 0.5) * count / clusters) * dim, dim).CopyTo(centroids.AsSpan(c * dim));
        float[] panels = Panels(rows, count, dim);
        var products = new float[clusters * Panel];
        var halfSquares = new float[clusters];
        var size = new int[clusters];
        for (int iteration = 0; iteration < iterations; iteration++)
        {
            Assign(panels, count, dim, centroids, clusters, products, halfSquares, assignment);
            Update(rows, count, dim, centroids, clusters, size, assignment);
        }
        ArrayPool<float>.Shared.Return(panels);
        return centroids;
    }

    private static void Assign(float[] panels, int count, int dim, float[] centroids, int clusters, float[] products, float[] halfSquares, int[] assignment)
    {
        for (int c = 0; c < clusters; c++)
            halfSquares[c] = TensorPrimitives.SumOfSquares<float>(centroids.AsSpan(c * dim, dim)) / 2;
        int* nearest = stackalloc int[Panel];
        fixed (float* panel = panels, centre = centroids, product = products, half = halfSquares)
        {
            for (int first = 0; first < count; first += Panel)
            {
                PanelMultiply.Multiply(centre, dim, panel + (long)first * dim, Panel, product, Panel, clusters, dim, Panel, false);
                NearestCentroid.Best(product, Panel, Panel, half, clusters, nearest);
                new ReadOnlySpan<int>(nearest, Math.Min(Panel, count - first)).CopyTo(assignment.AsSpan(first));
            }
        }
    }

    private static void Update(float[] rows, int count, int dim, float[] centroids, int clusters, int[] size, int[] assignment)
    {
        Array.Clear(size);
        for (int r = 0; r < count; r++)
            size[assignment[r]]++;
        for (int c = 0; c < clusters; c++)
        {
            if (size[c] > 0)
                centroids.AsSpan(c * dim, dim).Clear();
        }
        for (int r = 0; r < count; r++)
        {
            Span<float> sum = centroids.AsSpan(assignment[r] * dim, dim);
            TensorPrimitives.Add(sum, rows.AsSpan(r * dim, dim), sum);
        }
        for (int c = 0; c < clusters; c++)
        {
            if (size[c] > 0)
                TensorPrimitives.Multiply(centroids.AsSpan(c * dim, dim), 1f / size[c], centroids.AsSpan(c * dim, dim));
        }
    }

    /// <summary>Rows as panels of 64 columns, [⌈count / 64⌉, dim, 64], for products with centroids as rows.</summary>
    private static float[] Panels(float[] rows, int count, int dim)
    {
        // Columns beyond the last row are never looked at.
        float[] panels = ArrayPool<float>.Shared.Rent((count + Panel - 1) / Panel * Panel * dim);
        fixed (float* source = rows, target = panels)
        {
            for (int first = 0; first < count; first += Panel)
                Transpose.Apply(source + (long)first * dim, Math.Min(Panel, count - first), dim, target + (long)first * dim, Panel);
        }
        return panels;
    }
}
