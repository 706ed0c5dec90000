using System.Runtime.InteropServices;

namespace Retrieval.Offload;

/// <summary>Native memory of one page, shared by the stores that hold it; freed when the last one lets go.</summary>
internal sealed unsafe class KvPage
{
    // A cache line, so that vector loads of rows do not straddle lines.
    private const int Alignment = 64;

    private readonly void* _block;
    private int _owners = 1;

    public KvPage(long bytes)
    {
        Bytes = bytes;
        // What the system gives anew is clear, and becomes memory when it is touched; only what was freed before is cleared here.
        _block = NativeMemory.AllocZeroed((nuint)(bytes + Alignment - 1));
        Data = (byte*)(((nuint)_block + Alignment - 1) / Alignment * Alignment);
    }

    public byte* Data { get; private set; }

    public long Bytes { get; }

    public bool Shared => Volatile.Read(ref _owners) > 1;

    public KvPage Share()
    {
        Interlocked.Increment(ref _owners);
        return this;
    }

    public KvPage Copy()
    {
        var copy = new KvPage(Bytes);
        Buffer.MemoryCopy(Data, copy.Data, Bytes, Bytes);
        return copy;
    }

    public void Release()
    {
        if (Interlocked.Decrement(ref _owners) > 0)
            return;
        NativeMemory.Free(_block);
        Data = null;
    }
}
