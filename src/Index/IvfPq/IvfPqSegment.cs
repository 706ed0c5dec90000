using System.Runtime.Intrinsics.X86;
using Retrieval.Index.Kernels;

namespace Retrieval.Index;

/// <summary>
/// Lists and codes over some rows of one KV head; immutable. Rows stand list after list: a row's <em>place</em> is its index in
/// that order. All coordinates are those of the <see cref="IvfPqCodec"/>.
/// </summary>
internal sealed class IvfPqSegment
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

    /// <summary>Lists rounded up to whole vectors: the stride of <see cref="Centres"/> and <see cref="Spread"/>.</summary>
    public int PaddedLists => (Lists + 15) / 16 * 16;

    /// <summary>[PaddedLists]: natural logarithm of a list's rows; −∞ in the padding.</summary>
    public required float[] LogCounts { get; init; }

    /// <summary>[dim, PaddedLists]: centre of a list along an axis = CentreMiddle + CentreScale · byte.</summary>
    public required AlignedBytes Centres { get; init; }

    /// <summary>[dim]</summary>
    public required float[] CentreScale { get; init; }

    /// <summary>[dim]</summary>
    public required float[] CentreMiddle { get; init; }

    /// <summary>[bands, PaddedLists]: variance of a list's residuals in a band, as a multiple of the codec's = SpreadScale · byte.</summary>
    public required AlignedBytes Spread { get; init; }

    /// <summary>[bands]</summary>
    public required float[] SpreadScale { get; init; }

    /// <summary>Blocks as <see cref="CodeScan"/> reads them; rows beyond a list's end are 0.</summary>
    public required AlignedBytes Codes { get; init; }

    /// <summary>Means of the lists' values.</summary>
    public required ListValues Values { get; init; }

    /// <summary>Asks the memory for the codes of a list, which will be read soon.</summary>
    public void PrefetchCodes(int list, int blockBytes) => Codes.Prefetch((long)BlockStarts[list] * blockBytes, (long)BlockStarts[list + 1] * blockBytes);

    /// <summary>Asks the memory for what the lists' scores are made of.</summary>
    public void PrefetchLists()
    {
        Centres.Prefetch(0, Centres.Length);
        Spread.Prefetch(0, Spread.Length);
    }

    public int ListCount(int list) => ListStarts[list + 1] - ListStarts[list];

    public long Bytes => 2L * Order.Length + 4L * (ListStarts.Length + BlockStarts.Length + LogCounts.Length) + Centres.Length + Spread.Length + Codes.Length
        + sizeof(float) * (CentreScale.Length + CentreMiddle.Length + SpreadScale.Length) + Values.Bytes;
}

/// <summary>What lists know of their values: the part of the estimate that needs no row.</summary>
internal sealed class ListValues
{
    /// <summary>[lists, dim]: mean value of a list = MeanScale · byte.</summary>
    public required AlignedBytes Means { get; init; }

    /// <summary>[lists]</summary>
    public required float[] MeanScale { get; init; }

    public long Bytes => Means.Length + sizeof(float) * MeanScale.Length;
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

    /// <summary>Asks the memory for bytes [first, end), which will be read soon.</summary>
    public void Prefetch(long first, long end)
    {
        if (!Sse.IsSupported)
            return;
        for (; first < end; first += Line)
            Sse.Prefetch0(Pointer + first);
    }
}
