using System.Runtime.InteropServices;
using Retrieval.Index;
using Retrieval.Runtime.Kernels;
using Retrieval.Runtime.Torch;
using TorchSharp;

namespace Retrieval.Runtime.Compute;

/// <summary>
/// Matrix products of many rows through libtorch. Weights are converted from the checkpoint's format when a layer begins and
/// the copies are reused for the next layer, so that memory holds the converted weights of one layer only.
/// </summary>
internal sealed unsafe class HostGemm(WorkerPool workers, bool bfloat16) : IDisposable
{
    private readonly Dictionary<Weight, NativeTensor> _converted = [];
    private readonly List<NativeTensor> _free = [];
    private NativeTensor? _input;
    private NativeTensor? _output;

    public long Bytes { get; private set; }

    private torch.ScalarType Type => bfloat16 ? torch.ScalarType.BFloat16 : torch.ScalarType.Float32;

    private int ElementBytes => bfloat16 ? 2 : 4;

    /// <summary>Result = x Wᵀ for each projection; biases are not added.</summary>
    public void Multiply(Rows x, ReadOnlySpan<Projection> projections)
    {
        using DisposeScope scope = torch.NewDisposeScope();
        torch.Tensor input = bfloat16 ? Packed(x) : NativeTensor.Borrow(x.Data, Type, x.Count, x.Width);
        foreach (Projection projection in projections)
        {
            Rows y = projection.Result;
            torch.Tensor weight = Converted(projection.Weight).View(Type, projection.Weight.Rows, projection.Weight.Columns).t();
            if (bfloat16)
                Unpacked(y, result => result.addmm_(input, weight, 0, 1));
            else
                NativeTensor.Borrow(y.Data, Type, x.Count, y.Width).addmm_(input, weight, 0, 1);
        }
    }

    public void ReleaseConverted()
    {
        _free.AddRange(_converted.Values);
        _converted.Clear();
    }

    public void Dispose()
    {
        ReleaseConverted();
        foreach (NativeTensor memory in _free)
            memory.Dispose();
        _free.Clear();
        _input?.Dispose();
        _output?.Dispose();
    }

    /// <summary>The rows in bfloat16.</summary>
    private torch.Tensor Packed(Rows x)
    {
        _input = Sized(_input, (long)x.Count * x.Width * ElementBytes);
        ushort* input = (ushort*)_input.Data;
        workers.For(x.Count, 32, (_, begin, end) =>
            Kernels.BFloat16.Pack(x.Row(begin), input + (long)begin * x.Width, (end - begin) * x.Width));
        return _input.View(Type, x.Count, x.Width);
    }

    /// <summary>Lets <paramref name="compute"/> fill a bfloat16 matrix and widens it into the rows.</summary>
    private void Unpacked(Rows y, Action<torch.Tensor> compute)
    {
        _output = Sized(_output, (long)y.Count * y.Width * ElementBytes);
        compute(_output.View(Type, y.Count, y.Width));
        ushort* output = (ushort*)_output.Data;
        workers.For(y.Count, 32, (_, begin, end) =>
            Kernels.BFloat16.Unpack(output + (long)begin * y.Width, y.Row(begin), (end - begin) * y.Width));
    }

    private NativeTensor Converted(Weight weight)
    {
        if (_converted.TryGetValue(weight, out NativeTensor? known))
            return known;
        long bytes = (long)weight.Rows * weight.Columns * ElementBytes;
        NativeTensor? memory = _free.Find(m => m.Bytes == bytes);
        if (memory is not null)
        {
            _free.Remove(memory);
        }
        else
        {
            memory = new NativeTensor(bytes);
            Bytes += bytes;
        }
        byte* data = memory.Data;
        workers.For(weight.Rows, Math.Max(1, 65536 / weight.Columns), (_, begin, end) =>
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
        return _converted[weight] = memory;
    }

    private NativeTensor Sized(NativeTensor? memory, long bytes)
    {
        if (memory is not null && memory.Bytes >= bytes)
            return memory;
        Bytes += bytes - (memory?.Bytes ?? 0);
        memory?.Dispose();
        return new NativeTensor(bytes);
    }
}
