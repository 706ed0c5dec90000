using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using TorchSharp;

namespace Retrieval.Offload;

/// <summary>
/// Preallocated host memory that both our code and libtorch see: one end of a copy to or from a device. Pinned where the
/// device is CUDA, so that the copy engine reads it directly.
/// </summary>
internal sealed unsafe class HostTensor : IDisposable
{
    public HostTensor(long elements, torch.ScalarType type, torch.Device device)
    {
        using DisposeScope scope = torch.NewDisposeScope();
        torch.Tensor memory = torch.empty(elements, type);
        if (device.type == DeviceType.CUDA)
            memory = memory.pin_memory();
        Tensor = memory.DetachFromDisposeScope();
        Elements = elements;
        Data = Unsafe.AsPointer(ref MemoryMarshal.GetReference(Tensor.bytes));
    }

    /// <summary>[Elements]</summary>
    public torch.Tensor Tensor { get; }

    public long Elements { get; }

    public void* Data { get; }

    public void Dispose() => Tensor.Dispose();
}
