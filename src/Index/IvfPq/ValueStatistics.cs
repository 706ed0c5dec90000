using System.Numerics.Tensors;
using Retrieval.Index.Kernels;

namespace Retrieval.Index;

/// <summary>How the values of one KV head vary, learnt from clustered segments.</summary>
/// <param name="Covariance">
/// Cov(key, value) inside lists, in the coordinates of the keys, [dim, dim] with the key's axis first: among rows weighted by
/// exp(x · y) with jointly normal y and v, the mean value is shifted by xᵀ Cov(y, v).
/// </param>
/// <param name="Mean">[dim]: the mean of all values.</param>
/// <param name="Spread">Mean squared distance of a value from its list's mean.</param>
/// <param name="Variance">Mean squared distance of a value from the mean of all.</param>
internal sealed unsafe record ValueStatistics(float[] Covariance, float[] Mean, float Spread, float Variance)
{
    public static ValueStatistics Of(IReadOnlyList<ClusteredRows> segments, IKeyRows values)
    {
        int dim = values.Dim;
        float[] covariance = new float[dim * dim], total = new float[dim];
        double square = 0, squareOfMeans = 0;
        foreach (ClusteredRows segment in segments)
        {
            var sums = new float[segment.Clusters * dim];
            square += AddSegment(segment, values, covariance, sums);
            int[] sizes = Sizes(segment);
            for (int cluster = 0; cluster < sizes.Length; cluster++)
            {
                ReadOnlySpan<float> sum = sums.AsSpan(cluster * dim, dim);
                TensorPrimitives.Add(sum, total, total);
                squareOfMeans += TensorPrimitives.SumOfSquares(sum) / Math.Max(1, sizes[cluster]);
            }
        }
        long rows = Math.Max(1, segments.Sum(segment => (long)segment.Count));
        TensorPrimitives.Divide(covariance, (float)rows, covariance);
        TensorPrimitives.Divide(total, (float)rows, total);
        double variance = square / rows - TensorPrimitives.SumOfSquares<float>(total);
        return new ValueStatistics(covariance, total, (float)Math.Max((square - squareOfMeans) / rows, 0), (float)Math.Max(variance, 0));
    }

    /// <summary>Adds the products of keys and values, and the values to their clusters' sums.</summary>
    /// <returns>Sum of the values' squares.</returns>
    private static double AddSegment(ClusteredRows segment, IKeyRows values, float[] products, float[] sums)
    {
        const int Tile = ClusteredRows.Tile;
        int dim = values.Dim;
        float[] residuals = new float[Tile * dim], columns = new float[Tile * dim], tile = new float[Tile * dim];
        double square = 0;
        fixed (float* residual = residuals, column = columns, value = tile, product = products)
        {
            for (int first = 0; first < segment.Count; first += Tile)
            {
                int some = Math.Min(Tile, segment.Count - first);
                values.Read(segment.First + first, some, value);
                for (int i = 0; i < some; i++)
                {
                    ReadOnlySpan<float> own = tile.AsSpan(i * dim, dim);
                    square += TensorPrimitives.SumOfSquares(own);
                    Span<float> sum = sums.AsSpan(segment.Assignment[first + i] * dim, dim);
                    TensorPrimitives.Add(sum, own, sum);
                    segment.Residual(first + i, residuals.AsSpan(i * dim, dim));
                }
                // Residuals of a list add up to 0: it makes no difference that the values still have their means.
                Transpose.Apply(residual, some, dim, column, Tile);
                PanelMultiply.Multiply(column, Tile, value, dim, product, dim, dim, some, dim, accumulate: true);
            }
        }
        return square;
    }

    private static int[] Sizes(ClusteredRows segment)
    {
        var sizes = new int[segment.Clusters];
        foreach (int cluster in segment.Assignment)
            sizes[cluster]++;
        return sizes;
    }
}
