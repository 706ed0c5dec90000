using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using TorchSharp;

namespace Retrieval.Runtime.Torch;

/// <summary>
/// Memory of ours that libtorch may look at. TorchSharp's own tensors are freed by finalizers and return memory late; buffers
/// that live long are therefore native memory, and tensors are views that borrow it.
/// </summary>
internal sealed unsafe partial class NativeTensor : IDisposable
{
    public NativeTensor(long bytes)
    {
        Bytes = bytes;
        Data = (byte*)NativeMemory.AlignedAlloc((nuint)bytes, 64);
    }

    public byte* Data { get; private set; }

    public long Bytes { get; }

    /// <summary>The beginning of the memory as a matrix; belongs to the current dispose scope and must not outlive this object.</summary>
    public torch.Tensor View(torch.ScalarType type, long rows, long columns) => Borrow(Data, type, rows, columns);

    /// <summary>Any CPU memory as a contiguous matrix. The caller keeps the memory alive.</summary>
    public static torch.Tensor Borrow(void* data, torch.ScalarType type, params ReadOnlySpan<long> shape)
    {
        fixed (long* sizes = shape)
        {
            nint handle = NewTensor(data, &Nothing, sizes, shape.Length, (sbyte)type, (sbyte)type, 0, -1, 0);
            if (handle == 0)
                torch.CheckForErrors();
            return torch.Tensor.UnsafeCreateTensor(handle);
        }
    }

    public void Dispose()
    {
        NativeMemory.AlignedFree(Data);
        Data = null;
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void Nothing(nint data) { }

    [LibraryImport("LibTorchSharp", EntryPoint = "THSTensor_new")]
    private static partial nint NewTensor(
        void* data, delegate* unmanaged[Cdecl]<nint, void> deleter, long* sizes, int dimensions, sbyte type, sbyte dtype, int deviceType, int deviceIndex, byte requiresGrad);
}
