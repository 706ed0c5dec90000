using System.Runtime.InteropServices;
using Retrieval.Index;
using Retrieval.Runtime.Kernels;
using Retrieval.Runtime.Models;
using Retrieval.Runtime.Torch;
using TorchSharp;

namespace Retrieval.Runtime.Compute;

/// <summary>
/// The weights of a decoder as tensors on a device: matrices in one type, norms and biases in float32. Quantised weights are
/// widened on the way, one tensor at a time, and the pages of the file that held them are given back.
/// </summary>
internal sealed unsafe class DeviceWeights : IDisposable
{
    // By address of the stored bytes: a tied head and the embedding are one tensor.
    private readonly Dictionary<nint, torch.Tensor> _tensors = [];
    private readonly torch.Device _device;
    private readonly WorkerPool _workers;

    /// <exception cref="InputException">The device has too little memory.</exception>
    public DeviceWeights(DecoderWeights weights, torch.Device device, bool bfloat16, WorkerPool workers)
    {
        _device = device;
        _workers = workers;
        MatrixType = bfloat16 ? torch.ScalarType.BFloat16 : torch.ScalarType.Float32;
        try
        {
            foreach (Weight weight in All(weights))
                Upload(weight);
        }
        catch (ExternalException e) when (e.Message.Contains("out of memory", StringComparison.OrdinalIgnoreCase))
        {
            Dispose();
            throw new InputException(
                $"The weights do not fit in the memory of {device}: full after {Bytes:N0} bytes; use --device cpu or a smaller model.", e);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    public torch.ScalarType MatrixType { get; }

    /// <summary>Bytes on the device.</summary>
    public long Bytes { get; private set; }

    /// <summary>[rows, columns], or [elements] of a vector; belongs to this object.</summary>
    public torch.Tensor this[Weight weight] => _tensors[weight.Stored.Data];

    public void Dispose()
    {
        foreach (torch.Tensor tensor in _tensors.Values)
            tensor.Dispose();
        _tensors.Clear();
    }

    /// <summary>All but the embedding, whose rows are read on the host, unless it is the head too.</summary>
    private static IEnumerable<Weight> All(DecoderWeights weights)
    {
        foreach (LayerWeights w in weights.Layers)
        {
            Weight?[] parts =
            [
                w.AttentionNorm, w.Query, w.Key, w.Value, w.Output, w.QueryBias, w.KeyBias, w.ValueBias, w.OutputBias,
                w.QueryNorm, w.KeyNorm, w.FfnNorm, w.Gate, w.Up, w.Down,
            ];
            foreach (Weight? part in parts)
            {
                if (part is not null)
                    yield return part;
            }
        }
        yield return weights.Norm;
        yield return weights.Head;
    }

    private void Upload(Weight weight)
    {
        if (_tensors.ContainsKey(weight.Stored.Data))
            return;
        bool matrix = weight.Stored.Shape.Count > 1;
        torch.ScalarType type = matrix ? MatrixType : torch.ScalarType.Float32;
        int elementBytes = type == torch.ScalarType.BFloat16 ? 2 : 4;
        long[] shape = matrix ? [weight.Rows, weight.Columns] : [weight.Columns];
        using var widened = new NativeTensor((long)weight.Rows * weight.Columns * elementBytes);
        byte* data = widened.Data;
        _workers.For(weight.Rows, Math.Max(1, 65536 / weight.Columns), (_, begin, end) =>
        {
            for (int row = begin; row < end; row++)
            {
                byte* source = weight.Data + row * weight.RowBytes, target = data + (long)row * weight.Columns * elementBytes;
                if (elementBytes == 2)
                    WeightFormats.DequantizeToBFloat16(weight.Type, source, (ushort*)target, weight.Columns);
                else
                    WeightFormats.Dequantize(weight.Type, source, (float*)target, weight.Columns);
            }
        });
        using DisposeScope scope = torch.NewDisposeScope();
        torch.Tensor tensor = torch.empty(shape, type, _device);
        tensor.copy_(NativeTensor.Borrow(data, type, shape));
        _tensors.Add(weight.Stored.Data, tensor.DetachFromDisposeScope());
        Bytes += widened.Bytes;
        Checkpoint.Release(weight.Stored);
    }
}
