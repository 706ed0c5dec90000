using System.Numerics.Tensors;
using Retrieval.Index.Kernels;
using Retrieval.Offload;

namespace Retrieval.Scenarios.Frontier;

/// <summary>Clusters of 16 rows as RetroInfer keeps them: centroid, value sum and size, and the rows cluster after cluster.</summary>
internal sealed unsafe class RetroInferIndex
{
    private const int RowsPerCluster = 16;
    private const int SegmentRows = 8192;

    /// <param name="keys">[count, dim]</param>
    /// <param name="values">[count, dim]</param>
    /// <param name="format">Precision of centroids and value sums.</param>
    public RetroInferIndex(float[] keys, float[] values, int dim, RowFormat format)
    {
        int count = keys.Length / dim, segments = Math.Max(1, (int)Math.Round(count / (double)SegmentRows));
        int[] assignment = SphericalKMeans.Run(Centred(keys, dim), dim, segments, ClustersPerSegment(count, segments));
        // A stable sort: rows of a cluster stay in order; empty clusters vanish.
        int[] order = [.. Enumerable.Range(0, count).OrderBy(row => assignment[row])];
        Order = [.. order.Select(row => (ushort)row)];
        Starts = [.. Enumerable.Range(0, count).Where(place => place == 0 || assignment[order[place]] != assignment[order[place - 1]]), count];
        Centroids = new float[Clusters * dim];
        ValueSums = new float[Clusters * dim];
        for (int c = 0; c < Clusters; c++)
        {
            Span<float> centroid = Centroids.AsSpan(c * dim, dim), sum = ValueSums.AsSpan(c * dim, dim);
            for (int place = Starts[c]; place < Starts[c + 1]; place++)
            {
                TensorPrimitives.Add(centroid, keys.AsSpan(order[place] * dim, dim), centroid);
                TensorPrimitives.Add(sum, values.AsSpan(order[place] * dim, dim), sum);
            }
            TensorPrimitives.Divide(centroid, Size(c), centroid);
            Round(centroid, format);
            Round(sum, format);
        }
    }

    public int Clusters => Starts.Length - 1;

    /// <summary>Place → row, cluster after cluster.</summary>
    public ushort[] Order { get; }

    /// <summary>First place of each cluster and, last, the number of rows.</summary>
    public int[] Starts { get; }

    /// <summary>[clusters, dim], means of the keys.</summary>
    public float[] Centroids { get; }

    /// <summary>[clusters, dim], sums of the values.</summary>
    public float[] ValueSums { get; }

    public int Size(int cluster) => Starts[cluster + 1] - Starts[cluster];

    /// <summary>Rows / 16 as the released code rounds it: all clusters together a multiple of 8 and of the segments, the lower of two as near.</summary>
    private static int ClustersPerSegment(int rows, int segments)
    {
        int multiple = 8;
        while (multiple % segments != 0)
            multiple += 8;
        double wanted = rows / (double)RowsPerCluster / multiple;
        return Math.Max(1, (int)Math.Ceiling(wanted - 0.5)) * multiple / segments;
    }

    private static float[] Centred(float[] keys, int dim)
    {
        var mean = new float[dim];
        for (int i = 0; i < keys.Length; i += dim)
            TensorPrimitives.Add(mean, keys.AsSpan(i, dim), mean);
        TensorPrimitives.Divide(mean, keys.Length / dim, mean);
        var centred = new float[keys.Length];
        for (int i = 0; i < keys.Length; i += dim)
            TensorPrimitives.Subtract(keys.AsSpan(i, dim), mean, centred.AsSpan(i, dim));
        return centred;
    }

    /// <summary>Rounds a row to what its stored form can hold.</summary>
    private static void Round(Span<float> row, RowFormat format)
    {
        ushort* halves = stackalloc ushort[row.Length];
        sbyte* bytes = stackalloc sbyte[row.Length];
        fixed (float* elements = row)
        {
            if (format == RowFormat.I8)
            {
                float scale = ByteRow.Narrow(elements, bytes, row.Length);
                ByteRow.Widen(bytes, scale, elements, row.Length);
                return;
            }
            HalfRow.Narrow(elements, halves, row.Length);
            HalfRow.Widen(halves, elements, row.Length);
        }
    }
}
