using Retrieval.Index;
using Retrieval.Runtime.Kernels;
using Retrieval.Runtime.Torch;
using TorchSharp;

namespace Retrieval.Runtime.Compute;

/// <summary>
/// The weights of one layer in bfloat16 or float32, converted from the checkpoint's format when they are first used. Matrices
/// that share their input lie one behind the other, so that one product serves them all. Memory is reused for the next layer.
/// </summary>
internal sealed unsafe class ConvertedWeights(WorkerPool workers, bool bfloat16) : IDisposable
{
    private readonly Dictionary<Weight, NativeTensor> _converted = [];
    private readonly List<NativeTensor> _free = [];

    public long Bytes { get; private set; }

    public torch.ScalarType Type => bfloat16 ? torch.ScalarType.BFloat16 : torch.ScalarType.Float32;

    public int ElementBytes => bfloat16 ? 2 : 4;

    /// <summary>The matrices of some projections of the same input, [sum of their rows, columns].</summary>
    public byte* Of(ReadOnlySpan<Projection> projections)
    {
        if (_converted.TryGetValue(projections[0].Weight, out NativeTensor? known))
            return known.Data;
        long elements = 0;
        foreach (Projection projection in projections)
            elements += (long)projection.Weight.Rows * projection.Weight.Columns;
        NativeTensor memory = Memory(elements * ElementBytes);
        byte* data = memory.Data;
        foreach (Projection projection in projections)
        {
            Convert(projection.Weight, data);
            data += (long)projection.Weight.Rows * projection.Weight.Columns * ElementBytes;
        }
        _converted[projections[0].Weight] = memory;
        return memory.Data;
    }

    /// <summary>What was converted will not be used again for a while.</summary>
    public void Release()
    {
        _free.AddRange(_converted.Values);
        _converted.Clear();
    }

    public void Dispose()
    {
        Release();
        foreach (NativeTensor memory in _free)
            memory.Dispose();
        _free.Clear();
    }

    private NativeTensor Memory(long bytes)
    {
        if (_free.Find(m => m.Bytes == bytes) is { } memory)
        {
            _free.Remove(memory);
            return memory;
        }
        Bytes += bytes;
        return new NativeTensor(bytes);
    }

    private void Convert(Weight weight, byte* data)
        => workers.For(weight.Rows, Math.Max(1, 65536 / weight.Columns), (_, begin, end) =>
        {
            for (int row = begin; row < end; row++)
            {
                byte* source = weight.Data + row * weight.RowBytes;
                if (bfloat16)
                    WeightFormats.DequantizeToBFloat16(weight.Type, source, (ushort*)data + (long)row * weight.Columns, weight.Columns);
                else
                    WeightFormats.Dequantize(weight.Type, source, (float*)data + (long)row * weight.Columns, weight.Columns);
            }
        });
}
