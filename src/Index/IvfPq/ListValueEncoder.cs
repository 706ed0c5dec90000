using System.Numerics.Tensors;

namespace Retrieval.Index;

/// <summary>Means of the lists' values, and how values vary with keys inside lists.</summary>
internal static unsafe class ListValueEncoder
{
    public static ListValues Encode(IKeyRows values, int first, ushort[] order, int[] starts)
    {
        int dim = values.Dim, lists = starts.Length - 1;
        float[] rows = Read(values, first, order.Length), mean = new float[dim], scale = new float[lists];
        var means = new AlignedBytes(lists * dim);
        for (int list = 0; list < lists; list++)
        {
            Mean(rows, order.AsSpan(starts[list]..starts[list + 1]), mean);
            scale[list] = MathF.Abs(TensorPrimitives.MaxMagnitude<float>(mean)) / 127;
            float inverse = scale[list] > 0 ? 1 / scale[list] : 0;
            for (int i = 0; i < dim; i++)
                means.Span[list * dim + i] = (byte)(sbyte)Math.Clamp(MathF.Round(mean[i] * inverse), -127, 127);
        }
        return new ListValues { Means = means, MeanScale = scale };
    }

    /// <summary>
    /// Cov(key, value) inside lists, in the coordinates of the keys, [dim, dim] with the key's axis first: among rows weighted by
    /// exp(x · y) with jointly normal y and v, the mean value is shifted by xᵀ Cov(y, v).
    /// </summary>
    public static float[] Covariance(IReadOnlyList<ClusteredRows> segments, IKeyRows values)
    {
        int dim = values.Dim;
        var sum = new float[dim * dim];
        float[] mean = new float[dim], key = new float[dim], value = new float[dim];
        long rows = segments.Sum(segment => (long)segment.Count);
        foreach (ClusteredRows segment in segments)
        {
            float[] all = Read(values, segment.First, segment.Count);
            (ushort[] order, int[] starts) = segment.Sort();
            for (int list = 0; list < starts.Length - 1; list++)
            {
                Span<ushort> members = order.AsSpan(starts[list]..starts[list + 1]);
                Mean(all, members, mean);
                foreach (ushort row in members)
                {
                    TensorPrimitives.Subtract(segment.Row(row), segment.Centroid(segment.Assignment[row]), key);
                    TensorPrimitives.Subtract(all.AsSpan(row * dim, dim), mean, value);
                    for (int i = 0; i < dim; i++)
                        TensorPrimitives.MultiplyAdd(value, key[i] / rows, sum.AsSpan(i * dim, dim), sum.AsSpan(i * dim, dim));
                }
            }
        }
        return sum;
    }

    private static float[] Read(IKeyRows values, int first, int count)
    {
        var rows = new float[count * values.Dim];
        fixed (float* target = rows)
            values.Read(first, count, target);
        return rows;
    }

    private static void Mean(float[] rows, ReadOnlySpan<ushort> members, float[] mean)
    {
        Array.Clear(mean);
        foreach (ushort row in members)
            TensorPrimitives.Add(mean, rows.AsSpan(row * mean.Length, mean.Length), mean);
        TensorPrimitives.Multiply(mean, 1f / members.Length, mean);
    }
}
