using System.Runtime.InteropServices;

namespace Retrieval.Offload;

/// <summary>
/// Native memory for packed rows, which are read one by one from all over it: a read costs for its page as well as for its line, so that
/// many segments share blocks of large pages (2 MB on Linux, where the system has them; bench/results/reads.md and threads.md have
/// what they save). A block returns to the system when the last piece of it was given back, and not before.
/// </summary>
/// <param name="largePages">Ask for large pages; default. Not asking is for measurements of what they save.</param>
public sealed unsafe class RowArena(bool largePages = true) : IDisposable
{
    // More than malloc would keep for later when a block is freed; what nobody has written to takes no memory.
    private const long BlockBytes = 64 << 20;

    private const long LargePage = 2 << 20;

    // A cache line, so that vector loads of rows do not straddle lines.
    internal const int Alignment = 64;

    private readonly Lock _lock = new();
    private Block? _current;
    private bool _disposed;

    /// <summary>Memory that begins at a cache line; contents are undefined.</summary>
    /// <exception cref="ObjectDisposedException">The arena is disposed.</exception>
    public Piece Take(long bytes)
    {
        long whole = (bytes + Alignment - 1) / Alignment * Alignment;
        lock (_lock)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            if (_current is null || _current.Left < whole)
            {
                var block = new Block(Math.Max(BlockBytes, (whole + LargePage - 1) / LargePage * LargePage), largePages);
                _current?.Release();
                _current = block;
            }
            return _current.Cut(whole);
        }
    }

    /// <summary>Pieces that were taken stay valid until each is given back.</summary>
    public void Dispose()
    {
        lock (_lock)
        {
            _current?.Release();
            _current = null;
            _disposed = true;
        }
    }

    /// <summary>Part of a block.</summary>
    public sealed class Piece
    {
        private readonly Block _block;

        internal Piece(Block block, byte* data)
        {
            _block = block;
            Data = data;
        }

        /// <summary>The first byte; null after <see cref="GiveBack"/>.</summary>
        public byte* Data { get; private set; }

        /// <summary>Nobody reads it any more.</summary>
        /// <exception cref="InvalidOperationException">It was given back before.</exception>
        public void GiveBack()
        {
            if (Data == null)
                throw new InvalidOperationException("This memory was given back before.");
            Data = null;
            _block.Release();
        }
    }

    internal sealed class Block
    {
        private readonly byte* _memory;
        private readonly long _bytes;
        private long _used;

        // The arena while it cuts pieces off, and each piece.
        private int _owners = 1;

        public Block(long bytes, bool largePages)
        {
            _bytes = bytes;
            _memory = (byte*)NativeMemory.AlignedAlloc((nuint)bytes, (nuint)LargePage);
            MemoryAdvice.Pages(_memory, (nuint)bytes, largePages);
        }

        public long Left => _bytes - _used;

        public Piece Cut(long bytes)
        {
            var piece = new Piece(this, _memory + _used);
            _used += bytes;
            Interlocked.Increment(ref _owners);
            return piece;
        }

        public void Release()
        {
            if (Interlocked.Decrement(ref _owners) > 0)
                return;
            NativeMemory.AlignedFree(_memory);
        }
    }
}
