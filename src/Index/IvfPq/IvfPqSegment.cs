using Retrieval.Index.Kernels;

namespace Retrieval.Index;

/// <summary>
/// Lists and codes over some rows of one KV head; immutable. Rows stand list after list: a row's <em>place</em> is its index in
/// that order. All coordinates are those of the <see cref="IvfPqCodec"/>.
/// </summary>
internal sealed record IvfPqSegment
{
    /// <summary>Rows whose codes lie interleaved; a list begins with a new block.</summary>
    public const int BlockRows = CodeScan.BlockRows;

    /// <summary>Number of the first row in the source.</summary>
    public required int First { get; init; }

    public required int Count { get; init; }

    public required int Lists { get; init; }

    /// <summary>Place → row − First, a permutation.</summary>
    public required ushort[] Order { get; init; }

    /// <summary>First place of each list and, last, Count.</summary>
    public required int[] ListStarts { get; init; }

    /// <summary>First block of each list and, last, the number of blocks.</summary>
    public required int[] BlockStarts { get; init; }

    /// <summary>Panels of its lists' table.</summary>
    public int Panels => ListTable.PanelsOf(Lists);

    /// <summary>Lists in whole panels.</summary>
    public int PaddedLists => Panels * ListTable.PanelLists;

    /// <summary>Where the lists' table lies; after the segment was added to an index, with those of the others.</summary>
    public required ListTables Tables { get; init; }

    /// <summary>Where in <see cref="Tables"/> it begins.</summary>
    public ListBytes TableStart { get; init; }

    /// <summary>Blocks as <see cref="CodeScan"/> reads them; rows beyond a list's end are 0.</summary>
    public required AlignedBytes Codes { get; init; }

    public ListTable Table(int dim) => Tables.Table(TableStart, dim, Panels);

    public int ListCount(int list) => ListStarts[list + 1] - ListStarts[list];

    /// <summary>Bytes without the lists' table.</summary>
    public long Bytes => 2L * Order.Length + 4L * (ListStarts.Length + BlockStarts.Length) + Codes.Length;
}

/// <summary>Bytes that begin at a cache line and do not move.</summary>
internal sealed unsafe class AlignedBytes
{
    private const int Line = 64;
    private readonly byte[] _memory;

    public AlignedBytes(int length)
    {
        Length = length;
        // Room for a vector that begins at the last byte.
        _memory = GC.AllocateArray<byte>(length + 2 * Line, pinned: true);
        byte* start = (byte*)System.Runtime.CompilerServices.Unsafe.AsPointer(ref _memory[0]);
        Pointer = start + (Line - (nint)start % Line) % Line;
    }

    public int Length { get; }

    /// <summary>Valid while this object is reachable.</summary>
    public byte* Pointer { get; }

    public Span<byte> Span => new(Pointer, Length);
}
