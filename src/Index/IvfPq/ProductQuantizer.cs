using Retrieval.Index.Kernels;

namespace Retrieval.Index;

/// <summary>
/// A product quantiser with codes of 4 bits (Jégou et al., 2011): consecutive axes form sub-spaces, each with 16 centroids. Axes
/// come in order of falling variance; the cuts minimise the expected distortion, so the first sub-spaces are narrow and the
/// last are wide.
/// </summary>
internal sealed unsafe class ProductQuantizer
{
    /// <summary>Centroids of a sub-space.</summary>
    public const int Centroids = 16;

    private const int Iterations = 8;
    private const int Panel = 64;

    private ProductQuantizer(int dim, int[] starts, float[][] centroids)
    {
        (Dim, Starts, Codebooks) = (dim, starts, centroids);
        Columns = new float[dim * Centroids];
        for (int s = 0; s < Subspaces; s++)
        {
            int width = starts[s + 1] - starts[s];
            for (int i = 0; i < width; i++)
            {
                for (int c = 0; c < Centroids; c++)
                    Columns[(starts[s] + i) * Centroids + c] = centroids[s][c * width + i];
            }
        }
    }

    public int Dim { get; }

    public int Subspaces => Codebooks.Length;

    /// <summary>First axis of each sub-space and, last, Dim.</summary>
    public int[] Starts { get; }

    /// <summary>[16, width] for each sub-space.</summary>
    public float[][] Codebooks { get; }

    /// <summary>[Dim, 16]: the centroids' coordinates axis after axis.</summary>
    public float[] Columns { get; }

    /// <summary>Learns from a sample.</summary>
    /// <param name="columns">[dim, count]: the sample's coordinates, axis after axis.</param>
    /// <param name="count">A multiple of 16.</param>
    /// <param name="variances">Of each axis, falling.</param>
    public static ProductQuantizer Train(float[] columns, int count, int dim, ReadOnlySpan<double> variances, int subspaces)
    {
        int[] starts = SubspaceCuts.Choose(variances, subspaces);
        var codebooks = new float[subspaces][];
        var nearest = new int[count];
        for (int s = 0; s < subspaces; s++)
            codebooks[s] = Learn(columns, count, starts[s], starts[s + 1] - starts[s], nearest);
        return new ProductQuantizer(dim, starts, codebooks);
    }

    public static ProductQuantizer FromParts(int dim, int[] starts, float[][] codebooks) => new(dim, starts, codebooks);

    /// <summary>Codes of 16·n points, one byte a code.</summary>
    /// <param name="columns">[dim, count]</param>
    /// <param name="codes">[subspaces, count]</param>
    /// <param name="residual">If not null: replaced with what the codes lose, [dim, count]; may be <paramref name="columns"/> itself.</param>
    public void Encode(float* columns, int count, int* codes, float* residual)
    {
        for (int s = 0; s < Subspaces; s++)
        {
            int width = Starts[s + 1] - Starts[s];
            int* nearest = codes + s * count;
            fixed (float* centroids = Codebooks[s])
            {
                if (width > 0)
                    NearestCentroid.Find(columns + Starts[s] * count, count, count, width, centroids, Centroids, nearest);
                else
                    new Span<int>(nearest, count).Clear();
                if (residual == null)
                    continue;
                for (int i = 0; i < width; i++)
                {
                    int axis = Starts[s] + i;
                    for (int p = 0; p < count; p++)
                        residual[axis * count + p] = columns[axis * count + p] - centroids[nearest[p] * width + i];
                }
            }
        }
    }

    private static float[] Learn(float[] columns, int count, int start, int width, int[] nearest)
    {
        var centroids = new float[Centroids * width];
        if (width == 0)
            return centroids;
        // Quantiles of the first axis: spread where it matters most, and the same in every run.
        int[] order = [.. Enumerable.Range(0, count)];
        float[] keys = columns.AsSpan(start * count, count).ToArray();
        Array.Sort(keys, order);
        for (int c = 0; c < Centroids; c++)
        {
            int row = order[(int)((c + 0.5) * count / Centroids)];
            for (int i = 0; i < width; i++)
                centroids[c * width + i] = columns[(start + i) * count + row];
        }
        var size = new int[Centroids];
        var sums = new double[Centroids * width];
        for (int iteration = 0; iteration < Iterations; iteration++)
        {
            fixed (float* column = &columns[start * count], centroid = centroids)
            fixed (int* found = nearest)
                NearestCentroid.Find(column, count, count, width, centroid, Centroids, found);
            Array.Clear(size);
            Array.Clear(sums);
            for (int p = 0; p < count; p++)
                size[nearest[p]]++;
            for (int i = 0; i < width; i++)
            {
                ReadOnlySpan<float> axis = columns.AsSpan((start + i) * count, count);
                for (int p = 0; p < count; p++)
                    sums[nearest[p] * width + i] += axis[p];
            }
            for (int j = 0; j < centroids.Length; j++)
            {
                if (size[j / width] > 0)
                    centroids[j] = (float)(sums[j] / size[j / width]);
            }
        }
        return centroids;
    }
}
