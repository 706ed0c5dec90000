namespace Retrieval.Index;

/// <summary>Memory that only grows and does not move: what a search needs from one call to the next.</summary>
internal sealed unsafe class PinnedMemory<T> where T : unmanaged
{
    private const int Line = 64;
    private byte[] _memory = [];

    /// <summary>Begins at a cache line; valid until the next <see cref="Grow"/>.</summary>
    public T* Pointer { get; private set; }

    /// <summary>Room for at least so many elements; contents are undefined.</summary>
    public T* Grow(long length)
    {
        long bytes = length * sizeof(T) + Line;
        if (_memory.Length < bytes)
        {
            _memory = GC.AllocateUninitializedArray<byte>(checked((int)(bytes + bytes / 4)), pinned: true);
            var start = (byte*)System.Runtime.CompilerServices.Unsafe.AsPointer(ref _memory[0]);
            Pointer = (T*)(start + (Line - (nint)start % Line) % Line);
        }
        return Pointer;
    }
}
