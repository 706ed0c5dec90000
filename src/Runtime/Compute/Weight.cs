using Retrieval.Runtime.Kernels;
using Retrieval.Runtime.Models;

namespace Retrieval.Runtime.Compute;

/// <summary>A weight matrix [Rows, Columns] or vector, still in the checkpoint's bytes.</summary>
internal sealed unsafe class Weight(StoredTensor stored)
{
    public StoredTensor Stored { get; } = stored;

    public TensorType Type => Stored.Type;

    public int Rows => Stored.Rows;

    public int Columns => Stored.Columns;

    public byte* Data => (byte*)Stored.Data;

    public long RowBytes { get; } = WeightFormats.RowBytes(stored.Type, stored.Columns);

    /// <summary>Widens rows [first, first + count) to float32.</summary>
    public void Read(int first, int count, float* destination)
    {
        for (int row = first; row < first + count; row++, destination += Columns)
            WeightFormats.Dequantize(Type, Data + row * RowBytes, destination, Columns);
    }

    /// <summary>All elements in float32.</summary>
    public float[] ToArray()
    {
        var values = new float[(long)Rows * Columns];
        fixed (float* destination = values)
            Read(0, Rows, destination);
        return values;
    }
}
