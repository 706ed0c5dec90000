using System.Runtime.Intrinsics.X86;
using Retrieval.Index.Kernels;

namespace Retrieval.Index;

/// <summary>
/// Keys and values of one KV head as they lie in memory, in the order of an index's segment: bytes with a 16-bit scale a row, or
/// halves. A value follows its key, and scales stand before the sixteen rows that they belong to: what a random read costs is the
/// page more than the line, and all that is read of a list lies in two or three pages.
/// </summary>
/// <param name="Memory">Blocks of 16 rows: the scales as halves, [16, key and value], then the rows, [16, key and value, dim].</param>
/// <param name="Halves">Rows are halves and have no scales; otherwise signed bytes.</param>
public readonly unsafe record struct PackedRows(nint Memory, int Dim, bool Halves)
{
    /// <summary>Rows that are widened together: 8 KB at 64 elements, a quarter of a first-level cache that two threads may share.</summary>
    internal const int TileRows = 32;

    // Their scales fill a cache line.
    private const int BlockRows = 16;

    /// <summary>Bytes of a key, and of a value.</summary>
    public int RowBytes => Halves ? 2 * Dim : Dim + sizeof(ushort);

    private int ElementsBytes => Halves ? 2 * Dim : Dim;

    private int ScalesBytes => Halves ? 0 : BlockRows * 2 * sizeof(ushort);

    /// <summary>Bytes that so many rows take.</summary>
    public static long Bytes(int count, int dim, bool halves)
    {
        var rows = new PackedRows(0, dim, halves);
        return count == 0 ? 0 : (nint)rows.Elements(count - 1, 1) + rows.ElementsBytes;
    }

    /// <summary>Asks the memory for one key, which will be read soon.</summary>
    internal void PrefetchKey(int place) => Prefetch(place, 0);

    /// <summary>Asks the memory for one value.</summary>
    internal void PrefetchValue(int place) => Prefetch(place, 1);

    /// <summary>Widens one key.</summary>
    public void ReadKey(int place, float* destination) => Read(place, 0, destination);

    /// <summary>Widens one value.</summary>
    public void ReadValue(int place, float* destination) => Read(place, 1, destination);

    /// <summary>Widens rows that follow one another, [count, Dim].</summary>
    public void Read(bool keys, int first, int count, float* destination)
    {
        for (int i = 0; i < count; i++)
            Read(first + i, keys ? 0 : 1, destination + (long)i * Dim);
    }

    /// <summary>Rounds one row to its place.</summary>
    public void Write(int place, float* key, float* value)
    {
        Write(place, 0, key);
        Write(place, 1, value);
    }

    private void Prefetch(int place, int which)
    {
        if (!Sse.IsSupported)
            return;
        byte* row = Elements(place, which);
        for (int at = 0; at < ElementsBytes; at += 64)
            Sse.Prefetch0(row + at);
        if (!Halves)
            Sse.Prefetch0(Scale(place, which));
    }

    private void Read(int place, int which, float* destination)
    {
        if (Halves)
            HalfRow.Widen((ushort*)Elements(place, which), destination, Dim);
        else
            ByteRow.Widen((sbyte*)Elements(place, which), (float)*Scale(place, which), destination, Dim);
    }

    private void Write(int place, int which, float* row)
    {
        if (Halves)
            HalfRow.Narrow(row, (ushort*)Elements(place, which), Dim);
        else
            *Scale(place, which) = (Half)ByteRow.Narrow(row, (sbyte*)Elements(place, which), Dim);
    }

    private byte* Block(int place) => (byte*)Memory + (long)(place / BlockRows) * (ScalesBytes + BlockRows * 2 * ElementsBytes);

    private Half* Scale(int place, int which) => (Half*)Block(place) + 2 * (place % BlockRows) + which;

    private byte* Elements(int place, int which) => Block(place) + ScalesBytes + (2 * (place % BlockRows) + which) * ElementsBytes;
}
