using Retrieval.Index.Kernels;

namespace Retrieval.Index;

/// <summary>Rows of one segment in coordinates whose distances matter, assigned to lists; lives only while an index is built.</summary>
internal sealed unsafe class ClusteredRows
{
    private float[] _rows;
    private float[] _centroids;

    private ClusteredRows(int first, int count, int dim, float[] rows, float[] centroids, int[] assignment)
        => (First, Count, Dim, _rows, _centroids, Assignment) = (first, count, dim, rows, centroids, assignment);

    /// <summary>Number of the first row in the source.</summary>
    public int First { get; }

    public int Count { get; }

    public int Dim { get; }

    public int Lists => _centroids.Length / Dim;

    /// <summary>List of each row.</summary>
    public int[] Assignment { get; }

    public ReadOnlySpan<float> Row(int row) => _rows.AsSpan(row * Dim, Dim);

    public ReadOnlySpan<float> Centroid(int list) => _centroids.AsSpan(list * Dim, Dim);

    /// <summary>Reads rows [first, first + count) and clusters them.</summary>
    /// <param name="transform">[dim, dim]: from keys, as row vectors, to the coordinates.</param>
    public static ClusteredRows Read(IKeyRows source, int first, int count, float[] transform, IvfPqOptions options)
    {
        int dim = source.Dim;
        float[] keys = GC.AllocateUninitializedArray<float>(count * dim);
        fixed (float* key = keys)
            source.Read(first, count, key);
        float[] rows = Multiply(keys, transform, dim);
        int lists = Math.Max(1, (int)Math.Round(count / (double)options.RowsPerList));
        var assignment = new int[count];
        float[] centroids = KMeans.Run(rows, count, dim, lists, options.Iterations, assignment);
        return new ClusteredRows(first, count, dim, rows, centroids, assignment);
    }

    /// <summary>Turns the coordinates; clusters stay what they are.</summary>
    /// <param name="rotation">[dim, dim], orthogonal.</param>
    public void Rotate(float[] rotation)
    {
        _rows = Multiply(_rows, rotation, Dim);
        _centroids = Multiply(_centroids, rotation, Dim);
    }

    /// <summary>Rows list after list (counting sort: those of a list stay in order; empty lists vanish), and the lists' first places.</summary>
    public (ushort[] Order, int[] Starts) Sort()
    {
        var next = new int[Lists + 1];
        for (int r = 0; r < Count; r++)
            next[Assignment[r] + 1]++;
        var starts = new List<int>(Lists + 1);
        for (int list = 0; list < Lists; list++)
        {
            if (next[list + 1] > 0)
                starts.Add(next[list]);
            next[list + 1] += next[list];
        }
        starts.Add(Count);
        var order = new ushort[Count];
        for (int r = 0; r < Count; r++)
            order[next[Assignment[r]]++] = (ushort)r;
        return (order, [.. starts]);
    }

    private static float[] Multiply(float[] rows, float[] matrix, int dim)
    {
        float[] product = GC.AllocateUninitializedArray<float>(rows.Length);
        fixed (float* a = rows, b = matrix, c = product)
            PanelMultiply.Multiply(a, dim, b, dim, c, dim, rows.Length / dim, dim, dim, false);
        return product;
    }
}
