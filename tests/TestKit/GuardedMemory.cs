using System.Runtime.InteropServices;

namespace Retrieval.TestKit;

/// <summary>
/// Native memory that ends exactly at a page that may not be touched, so that a kernel reading or writing one element too many
/// crashes the test run. Where mmap is not Linux's, ordinary memory.
/// </summary>
public sealed unsafe class GuardedMemory<T> : IDisposable where T : unmanaged
{
    private readonly byte* _base;
    private readonly nuint _mapped;

    public GuardedMemory(int length)
    {
        Length = length;
        nuint bytes = (nuint)length * (nuint)sizeof(T);
        if (!OperatingSystem.IsLinux())
        {
            _base = (byte*)NativeMemory.AllocZeroed(bytes + 1);
            Pointer = (T*)_base;
            return;
        }
        nuint page = (nuint)Environment.SystemPageSize;
        nuint usable = (bytes + page - 1) / page * page;
        _mapped = usable + page;
        const int ReadWrite = 3, PrivateAnonymous = 0x22;
        nint address = GuardedMemoryNative.Map(0, _mapped, ReadWrite, PrivateAnonymous, -1, 0);
        if (address == -1 || GuardedMemoryNative.Protect(address + (nint)usable, page, 0) != 0)
            throw new InvalidOperationException("A guarded page could not be mapped.");
        _base = (byte*)address;
        Pointer = (T*)(_base + usable - bytes);
    }

    public GuardedMemory(ReadOnlySpan<T> values) : this(values.Length) => values.CopyTo(Span);

    public T* Pointer { get; }

    public int Length { get; }

    public Span<T> Span => new(Pointer, Length);

    public void Dispose()
    {
        if (_mapped == 0)
            NativeMemory.Free(_base);
        else
            GuardedMemoryNative.Unmap((nint)_base, _mapped);
    }
}

internal static partial class GuardedMemoryNative
{
    [LibraryImport("libc", EntryPoint = "mmap")]
    internal static partial nint Map(nint address, nuint length, int protection, int flags, int file, nint offset);

    [LibraryImport("libc", EntryPoint = "mprotect")]
    internal static partial int Protect(nint address, nuint length, int protection);

    [LibraryImport("libc", EntryPoint = "munmap")]
    internal static partial int Unmap(nint address, nuint length);
}
