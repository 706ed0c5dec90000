using System.Runtime.Intrinsics.X86;
using Retrieval.Index.Kernels;

namespace Retrieval.Index;

/// <summary>
/// Keys and values of one KV head as they lie in memory, in the order of an index's segment: bytes with a 16-bit scale a row, or
/// halves.
/// </summary>
/// <param name="Keys">[count, dim], signed bytes or halves.</param>
/// <param name="KeyScales">[count], halves; null if rows are halves.</param>
/// <param name="Values">Like <paramref name="Keys"/>.</param>
/// <param name="ValueScales">Like <paramref name="KeyScales"/>.</param>
public readonly unsafe record struct PackedRows(nint Keys, nint KeyScales, nint Values, nint ValueScales, int Dim)
{
    /// <summary>Rows that are widened together: 8 KB at 64 elements, a quarter of a first-level cache that two threads may share.</summary>
    internal const int TileRows = 32;

    /// <summary>Bytes of a key, and of a value.</summary>
    public int RowBytes => KeyScales == 0 ? 2 * Dim : Dim + sizeof(ushort);

    /// <summary>Asks the memory for one key, which will be read soon.</summary>
    internal void PrefetchKey(int place) => Prefetch(Keys, KeyScales, place);

    /// <summary>Asks the memory for one value.</summary>
    internal void PrefetchValue(int place) => Prefetch(Values, ValueScales, place);

    /// <summary>Widens one key.</summary>
    public void ReadKey(int place, float* destination) => Read(Keys, KeyScales, place, destination);

    /// <summary>Widens one value.</summary>
    public void ReadValue(int place, float* destination) => Read(Values, ValueScales, place, destination);

    /// <summary>Widens one value to the elements from <paramref name="destination"/> on.</summary>
    internal void ReadValue(int place, ref float destination)
    {
        fixed (float* target = &destination)
            ReadValue(place, target);
    }

    /// <summary>Widens rows that follow one another, [count, Dim].</summary>
    public void Read(bool keys, int first, int count, float* destination)
    {
        nint rows = keys ? Keys : Values, scales = keys ? KeyScales : ValueScales;
        for (int i = 0; i < count; i++)
            Read(rows, scales, first + i, destination + (long)i * Dim);
    }

    private void Prefetch(nint rows, nint scales, int place)
    {
        if (!Sse.IsSupported)
            return;
        int bytes = scales == 0 ? 2 * Dim : Dim;
        byte* row = (byte*)rows + (long)place * bytes;
        for (int at = 0; at < bytes; at += 64)
            Sse.Prefetch0(row + at);
        if (scales != 0)
            Sse.Prefetch0((byte*)scales + 2L * place);
    }

    private void Read(nint rows, nint scales, int place, float* destination)
    {
        if (scales == 0)
            HalfRow.Widen((ushort*)rows + (long)place * Dim, destination, Dim);
        else
            ByteRow.Widen((sbyte*)rows + (long)place * Dim, (float)((Half*)scales)[place], destination, Dim);
    }
}
