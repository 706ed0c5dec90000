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

    /// <summary>Where a row lies.</summary>
    public PackedRow this[int place] => new((nint)Elements(place, 0), Halves ? 0 : (nint)Scale(place, 0));

    /// <summary>Widens one key.</summary>
    public void ReadKey(int place, float* destination) => this[place].ReadKey(Dim, destination);

    /// <summary>Widens one value.</summary>
    public void ReadValue(int place, float* destination) => this[place].ReadValue(Dim, destination);

    /// <summary>Widens rows that follow one another, [count, Dim].</summary>
    public void Read(bool keys, int first, int count, float* destination)
    {
        for (int i = 0; i < count; i++, destination += Dim)
        {
            if (keys)
                ReadKey(first + i, destination);
            else
                ReadValue(first + i, destination);
        }
    }

    /// <summary>Rounds one row to its place.</summary>
    public void Write(int place, float* key, float* value)
    {
        Write(place, 0, key);
        Write(place, 1, value);
    }

    private void Write(int place, int which, float* row)
    {
        if (Halves)
            HalfRow.Narrow(row, (ushort*)Elements(place, which), Dim);
        else
            *Scale(place, which) = (Half)ByteRow.Narrow(row, (sbyte*)Elements(place, which), Dim);
    }

    private byte* Block(int place) => (byte*)Memory + (long)((uint)place / BlockRows) * (ScalesBytes + BlockRows * 2 * ElementsBytes);

    private Half* Scale(int place, int which) => (Half*)Block(place) + 2 * ((uint)place % BlockRows) + which;

    private byte* Elements(int place, int which) => Block(place) + ScalesBytes + (long)(2 * ((uint)place % BlockRows) + which) * ElementsBytes;
}

/// <summary>One row of <see cref="PackedRows"/>.</summary>
/// <param name="Elements">The key, and behind it the value.</param>
/// <param name="Scales">Of key and value, halves; null if the elements are halves.</param>
public readonly unsafe record struct PackedRow(nint Elements, nint Scales)
{
    /// <summary>Elements are halves and have no scale.</summary>
    internal bool IsHalves => Scales == 0;

    /// <summary>What a byte of the key is worth; halves have none.</summary>
    internal float KeyScale => HalfRow.Widen(*(ushort*)Scales);

    /// <summary>What a byte of the value is worth; halves have none.</summary>
    internal float ValueScale => HalfRow.Widen(((ushort*)Scales)[1]);

    /// <summary>Asks the memory for key and value, which will be read soon.</summary>
    internal void Prefetch(int dim)
    {
        CacheLines.Prefetch((byte*)Elements, (byte*)Element(2 * dim));
        if (Scales != 0)
            CacheLines.Prefetch((byte*)Scales, (byte*)Scales + 1);
    }

    /// <summary>Asks the memory for the key alone.</summary>
    internal void PrefetchKey(int dim)
    {
        CacheLines.Prefetch((byte*)Elements, (byte*)Element(dim));
        if (Scales != 0)
            CacheLines.Prefetch((byte*)Scales, (byte*)Scales + 1);
    }

    /// <summary>Asks the memory for the value; its scale has come with the key's.</summary>
    internal void PrefetchValue(int dim) => CacheLines.Prefetch((byte*)Element(dim), (byte*)Element(2 * dim));

    /// <summary>Widens the key.</summary>
    public void ReadKey(int dim, float* destination) => Read(Elements, 0, dim, destination);

    /// <summary>Widens the value.</summary>
    public void ReadValue(int dim, float* destination) => Read(Element(dim), 1, dim, destination);

    // The value's elements follow the key's.
    private nint Element(int element) => Elements + (Scales == 0 ? 2 * element : element);

    private void Read(nint elements, int which, int dim, float* destination)
    {
        if (Scales == 0)
            HalfRow.Widen((ushort*)elements, destination, dim);
        else
            ByteRow.Widen((sbyte*)elements, HalfRow.Widen(((ushort*)Scales)[which]), destination, dim);
    }
}
