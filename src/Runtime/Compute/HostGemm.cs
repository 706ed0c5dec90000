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

    /// <summary>y = x Wᵀ.</summary>
    public void Multiply(Rows x, Weight weight, Rows y)
    {
        NativeTensor converted = Converted(weight);
        int rows = x.Count;
        using DisposeScope scope = torch.NewDisposeScope();
        torch.Tensor w = converted.View(Type, weight.Rows, weight.Columns).t();
        if (!bfloat16)
        {
            torch.Tensor result = NativeTensor.Borrow(y.Data, Type, rows, y.Width);
            result.addmm_(NativeTensor.Borrow(x.Data, Type, rows, x.Width), w, 0, 1);
            return;
        }
        _input = Sized(_input, (long)rows * x.Width * ElementBytes);
        _output = Sized(_output, (long)rows * y.Width * ElementBytes);
        ushort* input = (ushort*)_input.Data, output = (ushort*)_output.Data;
        workers.For(rows, 32, (_, begin, end) => Kernels.BFloat16.Pack(x.Row(begin), input + (long)begin * x.Width, (end - begin) * x.Width));
        _output.View(Type, rows, y.Width).addmm_(_input.View(Type, rows, x.Width), w, 0, 1);
        workers.For(rows, 32, (_, begin, end) => Kernels.BFloat16.Unpack(output + (long)begin * y.Width, y.Row(begin), (end - begin) * y.Width));
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
