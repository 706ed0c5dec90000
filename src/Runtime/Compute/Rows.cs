using System.Runtime.InteropServices;
using TorchSharp;

namespace Retrieval.Runtime.Compute;

/// <summary>
/// Activations of some tokens: float32 [Capacity, Width], of which the first <see cref="Count"/> rows are in use. On the host
/// they are plain memory; on another device they are a tensor and have no address.
/// </summary>
internal sealed unsafe class Rows : IDisposable
{
    private readonly torch.Tensor? _tensor;
    private readonly bool _owner;
    private float* _data;

    private Rows(int capacity, int width, float* data, torch.Tensor? tensor, bool owner = true)
    {
        Capacity = capacity;
        Width = width;
        Count = capacity;
        _data = data;
        _tensor = tensor;
        _owner = owner;
    }

    public int Capacity { get; }

    public int Width { get; }

    /// <summary>Rows in use; set before each pass.</summary>
    public int Count { get; set; }

    public long Bytes => (long)Capacity * Width * sizeof(float);

    /// <summary>Do they lie in host memory?</summary>
    public bool HasAddress => _tensor is null;

    /// <summary>Address on the host.</summary>
    public float* Data => _data;

    /// <summary>The rows on a device, [Capacity, Width].</summary>
    public torch.Tensor Tensor => _tensor ?? throw new InvalidOperationException("These rows lie in host memory.");

    /// <summary>The rows in use on a device, [Count, Width]; belongs to the current dispose scope.</summary>
    public torch.Tensor View() => Tensor.narrow(0, 0, Count);

    public static Rows OnHost(int capacity, int width)
        => new(capacity, width, (float*)NativeMemory.AlignedAlloc((nuint)((long)capacity * width * sizeof(float)), 64), null);

    public static Rows OnDevice(int capacity, int width, torch.Device device)
        => new(capacity, width, null, torch.zeros(capacity, width, torch.float32, device).DetachFromDisposeScope());

    public float* Row(int index) => _data + (long)index * Width;

    /// <summary>Some of the rows on the host, as long as these live.</summary>
    public Rows Slice(int first, int count) => new(count, Width, Row(first), null, owner: false);

    public void Dispose()
    {
        if (!_owner)
            return;
        _tensor?.Dispose();
        NativeMemory.AlignedFree(_data);
        _data = null;
    }
}
