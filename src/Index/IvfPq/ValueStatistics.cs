using System.Numerics.Tensors;

namespace Retrieval.Index;

/// <summary>How the values of one KV head vary, learnt from clustered segments.</summary>
/// <param name="Covariance">
/// Cov(key, value) inside lists, in the coordinates of the keys, [dim, dim] with the key's axis first: among rows weighted by
/// exp(x · y) with jointly normal y and v, the mean value is shifted by xᵀ Cov(y, v).
/// </param>
/// <param name="Spread">Mean squared distance of a value from its list's mean.</param>
/// <param name="Variance">Mean squared distance of a value from the mean of all.</param>
internal sealed record ValueStatistics(float[] Covariance, float Spread, float Variance)
{
    public static ValueStatistics Of(IReadOnlyList<ClusteredRows> segments, IKeyRows values)
    {
        int dim = values.Dim;
        float[] covariance = new float[dim * dim], mean = new float[dim], total = new float[dim], key = new float[dim], value = new float[dim];
        long rows = segments.Sum(segment => (long)segment.Count);
        double spread = 0, square = 0;
        foreach (ClusteredRows segment in segments)
        {
            float[] all = ListValueEncoder.Read(values, segment.First, segment.Count);
            (ushort[] order, int[] starts) = segment.Sort();
            for (int list = 0; list < starts.Length - 1; list++)
            {
                Span<ushort> members = order.AsSpan(starts[list]..starts[list + 1]);
                ListValueEncoder.Mean(all, members, mean);
                TensorPrimitives.MultiplyAdd(mean, (float)members.Length / rows, total, total);
                foreach (ushort row in members)
                {
                    TensorPrimitives.Subtract(segment.Row(row), segment.Centroid(segment.Assignment[row]), key);
                    TensorPrimitives.Subtract(all.AsSpan(row * dim, dim), mean, value);
                    spread += TensorPrimitives.SumOfSquares<float>(value);
                    square += TensorPrimitives.SumOfSquares<float>(all.AsSpan(row * dim, dim));
                    for (int i = 0; i < dim; i++)
                        TensorPrimitives.MultiplyAdd(value, key[i] / rows, covariance.AsSpan(i * dim, dim), covariance.AsSpan(i * dim, dim));
                }
            }
        }
        double variance = square / Math.Max(1, rows) - TensorPrimitives.SumOfSquares<float>(total);
        return new ValueStatistics(covariance, (float)(spread / Math.Max(1, rows)), (float)Math.Max(variance, 0));
    }
}
