using System.Numerics.Tensors;

namespace Retrieval.Index;

/// <summary>Means of the lists' values.</summary>
internal static unsafe class ListValueEncoder
{
    public static void Encode(IKeyRows values, int first, ushort[] order, int[] starts, ListTable table)
    {
        int dim = values.Dim, lists = starts.Length - 1;
        float[] rows = Read(values, first, order.Length), mean = new float[dim];
        for (int list = 0; list < lists; list++)
        {
            Mean(rows, order.AsSpan(starts[list]..starts[list + 1]), mean);
            float scale = MathF.Abs(TensorPrimitives.MaxMagnitude<float>(mean)) / 127, inverse = scale > 0 ? 1 / scale : 0;
            table.MeanScale[list] = scale;
            for (int i = 0; i < dim; i++)
                table.Means[list * dim + i] = (sbyte)Math.Clamp(MathF.Round(mean[i] * inverse), -127, 127);
        }
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
