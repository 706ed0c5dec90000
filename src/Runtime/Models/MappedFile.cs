using System.IO.MemoryMappedFiles;
using Retrieval.Offload;

namespace Retrieval.Runtime.Models;

/// <summary>
/// A file mapped read-only into memory: weights are paged in when first touched and shared between processes. The address
/// is valid until <see cref="Dispose"/>; a file that another process shortens meanwhile is beyond what can be checked.
/// </summary>
internal sealed unsafe class MappedFile : IDisposable
{
    private readonly MemoryMappedFile _map;
    private readonly MemoryMappedViewAccessor _view;
    private byte* _pointer;

    /// <exception cref="InputException">The file cannot be opened or is empty.</exception>
    public MappedFile(string path)
    {
        FilePath = path;
        try
        {
            using var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 1);
            Length = stream.Length;
            if (Length == 0)
                throw new InputException($"{path} is empty (0 bytes); download it again.");
            _map = MemoryMappedFile.CreateFromFile(stream, null, 0, MemoryMappedFileAccess.Read, HandleInheritability.None, leaveOpen: true);
            _view = _map.CreateViewAccessor(0, 0, MemoryMappedFileAccess.Read);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or NotSupportedException or ArgumentException)
        {
            _map?.Dispose();
            throw new InputException($"{path} cannot be read ({e.Message}); check the path and its permissions.", e);
        }
        _view.SafeMemoryMappedViewHandle.AcquirePointer(ref _pointer);
        _pointer += _view.PointerOffset;
    }

    public string FilePath { get; }

    /// <summary>Bytes in the file.</summary>
    public long Length { get; }

    /// <summary>Address of the first byte.</summary>
    public byte* Pointer => _pointer;

    /// <summary>
    /// Tells the operating system that <paramref name="bytes"/> bytes from <paramref name="start"/> will not be needed soon:
    /// their whole pages leave this process and come back from the file if touched again. Does nothing outside Linux.
    /// </summary>
    public static void Release(nint start, long bytes)
    {
        if (bytes <= 0)
            return;
        // Inwards to page bounds: a neighbour's page is not ours to drop.
        long page = Environment.SystemPageSize;
        long first = (start + page - 1) / page * page;
        long end = (start + bytes) / page * page;
        if (end > first)
            MemoryAdvice.NotNeeded((void*)first, (nuint)(end - first));
    }

    public void Dispose()
    {
        if (_pointer is null)
            return;
        _pointer = null;
        _view.SafeMemoryMappedViewHandle.ReleasePointer();
        _view.Dispose();
        _map.Dispose();
    }
}
