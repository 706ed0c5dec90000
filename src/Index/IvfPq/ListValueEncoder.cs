using System.Numerics.Tensors;

namespace Retrieval.Index;

/// <summary>Means of the lists' values.</summary>
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

    internal static float[] Read(IKeyRows values, int first, int count)
    {
        float[] rows = GC.AllocateUninitializedArray<float>(count * values.Dim);
        fixed (float* target = rows)
            values.Read(first, count, target);
        return rows;
    }

    internal static void Mean(float[] rows, ReadOnlySpan<ushort> members, float[] mean)
    {
        Array.Clear(mean);
        foreach (ushort row in members)
            TensorPrimitives.Add(mean, rows.AsSpan(row * mean.Length, mean.Length), mean);
        TensorPrimitives.Multiply(mean, 1f / members.Length, mean);
    }
}
