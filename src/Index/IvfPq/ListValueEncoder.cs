using System.Buffers;
using System.Numerics.Tensors;

namespace Retrieval.Index;

/// <summary>Means of the lists' values.</summary>
internal static unsafe class ListValueEncoder
{
    public static void Encode(IKeyRows values, ClusteredRows rows, SortedRows sorted, ListTable table)
    {
        int dim = values.Dim;
        float[] sums = Sums(values, rows), mean = new float[dim];
        for (int list = 0; list < sorted.Lists; list++)
        {
            TensorPrimitives.Multiply(sums.AsSpan(sorted.Clusters[list] * dim, dim), 1f / (sorted.Starts[list + 1] - sorted.Starts[list]), mean);
            ListRounding.RoundMean(mean, list, table);
        }
    }

    /// <summary>Sum of the values of each cluster, [clusters, dim].</summary>
    private static float[] Sums(IKeyRows values, ClusteredRows rows)
    {
        const int Tile = ClusteredRows.Tile;
        int dim = values.Dim;
        var sums = new float[rows.Clusters * dim];
        float[] tile = ArrayPool<float>.Shared.Rent(Tile * dim);
        for (int first = 0; first < rows.Count; first += Tile)
        {
            int some = Math.Min(Tile, rows.Count - first);
            fixed (float* target = tile)
                values.Read(rows.First + first, some, target);
            for (int i = 0; i < some; i++)
            {
                Span<float> sum = sums.AsSpan(rows.Assignment[first + i] * dim, dim);
                TensorPrimitives.Add(sum, tile.AsSpan(i * dim, dim), sum);
            }
        }
        ArrayPool<float>.Shared.Return(tile);
        return sums;
    }
}
