using System.Buffers;
using System.Numerics.Tensors;
using Retrieval.Index.Kernels;

namespace Retrieval.Index;

/// <summary>
/// Rows of one segment in coordinates whose distances matter, assigned to clusters; lives only while an index is built. Its
/// memory is rented: fresh pages for every segment cost a sixth of the build.
/// </summary>
internal sealed unsafe class ClusteredRows : IDisposable
{
    /// <summary>Rows that are read together, so that what is done to them finds them in the nearest cache.</summary>
    public const int Tile = 64;

    private readonly float[] _rows;
    private readonly float[] _centroids;

    private ClusteredRows(int first, int count, int dim, float[] rows, float[] centroids, int[] assignment)
        => (First, Count, Dim, _rows, _centroids, Assignment) = (first, count, dim, rows, centroids, assignment);

    /// <summary>Number of the first row in the source.</summary>
    public int First { get; }

    public int Count { get; }

    public int Dim { get; }

    public int Clusters => _centroids.Length / Dim;

    /// <summary>Cluster of each row.</summary>
    public int[] Assignment { get; }

    /// <summary>Mean of a cluster's rows.</summary>
    public ReadOnlySpan<float> Centroid(int cluster) => _centroids.AsSpan(cluster * Dim, Dim);

    /// <summary>What a point, such as the centroid of a row's cluster, leaves of the row.</summary>
    public void Residual(int row, ReadOnlySpan<float> centre, Span<float> residual)
        => TensorPrimitives.Subtract(_rows.AsSpan(row * Dim, Dim), centre, residual);

    /// <summary>What the centroid of its cluster leaves of a row.</summary>
    public void Residual(int row, Span<float> residual) => Residual(row, Centroid(Assignment[row]), residual);

    /// <summary>Reads rows [first, first + count) and clusters them.</summary>
    /// <param name="transform">[dim, dim]: from keys, as row vectors, to the coordinates.</param>
    public static ClusteredRows Read(IKeyRows source, int first, int count, float[] transform, IvfPqOptions options)
    {
        int dim = source.Dim;
        float[] rows = ArrayPool<float>.Shared.Rent(count * dim), tile = ArrayPool<float>.Shared.Rent(Tile * dim);
        fixed (float* matrix = transform, target = rows, keys = tile)
        {
            for (int row = 0; row < count; row += Tile)
            {
                int some = Math.Min(Tile, count - row);
                source.Read(first + row, some, keys);
                PanelMultiply.Multiply(keys, dim, matrix, dim, target + (long)row * dim, dim, some, dim, dim, false);
            }
        }
        ArrayPool<float>.Shared.Return(tile);
        int clusters = Math.Max(1, (int)Math.Round(count / (double)options.RowsPerList));
        var assignment = new int[count];
        float[] centroids = KMeans.Run(rows, count, dim, clusters, options.Iterations, assignment);
        return new ClusteredRows(first, count, dim, rows, centroids, assignment);
    }

    /// <summary>Turns the coordinates; clusters stay what they are.</summary>
    /// <param name="rotation">[dim, dim], orthogonal.</param>
    public void Rotate(float[] rotation)
    {
        Rotate(_rows, Count, rotation);
        Rotate(_centroids, Clusters, rotation);
    }

    /// <summary>The clusters that have rows become lists, similar ones next to each other (counting sort: rows of a list stay in order).</summary>
    public SortedRows Sort()
    {
        var sizes = new int[Clusters];
        for (int r = 0; r < Count; r++)
            sizes[Assignment[r]]++;
        int[] clusters = [.. Enumerable.Range(0, Clusters).Where(cluster => sizes[cluster] > 0)];
        ListOrder.Sort(clusters, _centroids, Dim);
        int[] starts = new int[clusters.Length + 1], next = new int[Clusters];
        for (int list = 0; list < clusters.Length; list++)
        {
            next[clusters[list]] = starts[list];
            starts[list + 1] = starts[list] + sizes[clusters[list]];
        }
        var order = new ushort[Count];
        for (int r = 0; r < Count; r++)
            order[next[Assignment[r]]++] = (ushort)r;
        return new SortedRows(order, starts, clusters);
    }

    public void Dispose() => ArrayPool<float>.Shared.Return(_rows);

    private void Rotate(float[] rows, int count, float[] rotation)
    {
        var tile = new float[Tile * Dim];
        fixed (float* matrix = rotation, target = rows, turned = tile)
        {
            for (int row = 0; row < count; row += Tile)
            {
                int some = Math.Min(Tile, count - row);
                rows.AsSpan(row * Dim, some * Dim).CopyTo(tile);
                PanelMultiply.Multiply(turned, Dim, matrix, Dim, target + (long)row * Dim, Dim, some, Dim, Dim, false);
            }
        }
    }
}

/// <summary>Rows of a segment list after list.</summary>
/// <param name="Order">Numbers of the rows, from the segment's first.</param>
/// <param name="Starts">Place of each list's first row and, last, the number of rows.</param>
/// <param name="Clusters">The cluster that each list was.</param>
internal readonly record struct SortedRows(ushort[] Order, int[] Starts, int[] Clusters)
{
    public int Lists => Clusters.Length;
}
