using System.Runtime.InteropServices;

namespace Retrieval.Runtime;

/// <summary>Floats in native memory: large, short-lived and never moved by the garbage collector.</summary>
internal sealed unsafe class HostBuffer(long floats) : IDisposable
{
    public float* Data { get; private set; } = (float*)NativeMemory.AlignedAlloc((nuint)(Math.Max(1, floats) * sizeof(float)), 64);

    public long Floats { get; } = floats;

    public Span<float> Span(long offset, int count) => new(Data + offset, count);

    public void Dispose()
    {
        NativeMemory.AlignedFree(Data);
        Data = null;
    }
}
