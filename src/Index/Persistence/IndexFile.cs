using System.Buffers.Binary;

namespace Retrieval.Index;

/// <summary>What a file holds; the numbers are in files, so they never change.</summary>
internal enum IndexKind
{
    Flat = 1,
    Page = 2,
    IvfPq = 3,
    IvfPqKeys = 4,
}

/// <summary>Shape of an index, as the header of its file says it.</summary>
internal readonly record struct IndexShape(int Dim, int First, int Count)
{
    /// <summary>Throws unless these can be the rows that the index was built over: kernels read them without looking.</summary>
    public void Expect(IKeyRows rows, int available)
    {
        if (First + Count > available)
            throw new InvalidDataException(
                $"The index is over rows {First} to {First + Count} and there are {available}; load it with the rows it was built over.");
        if (rows.Dim != Dim)
            throw new InvalidDataException(
                $"The index is over rows of {Dim} elements and the given ones have {rows.Dim}; load it with the rows it was built over.");
    }
}

/// <summary>
/// The frame of every saved index (docs/index-format.md): a header with its own checksum, the payload, the payload's checksum.
/// Whoever reads trusts nothing: lengths are checked before memory is taken for them, and memory grows with what really arrives.
/// </summary>
internal static class IndexFile
{
    public const int Version = 6;
    public const int HeaderBytes = 44;

    /// <summary>Largest number of elements that a row may have.</summary>
    public const int MostDim = 4096;

    private static ReadOnlySpan<byte> Magic => "RTRVLIDX"u8;

    /// <summary>Writes an index.</summary>
    /// <param name="payload">Called twice, first to count.</param>
    public static void Save(Stream stream, IndexKind kind, IndexShape shape, Action<IndexWriter> payload)
    {
        if (!BitConverter.IsLittleEndian)
            throw new PlatformNotSupportedException("Index files are little-endian and this processor is not; save on another machine.");
        var counter = new IndexWriter(null);
        payload(counter);
        Span<byte> header = stackalloc byte[HeaderBytes];
        Magic.CopyTo(header);
        BinaryPrimitives.WriteInt32LittleEndian(header[8..], Version);
        BinaryPrimitives.WriteInt32LittleEndian(header[12..], (int)kind);
        BinaryPrimitives.WriteInt32LittleEndian(header[16..], shape.Dim);
        BinaryPrimitives.WriteInt32LittleEndian(header[20..], shape.First);
        BinaryPrimitives.WriteInt32LittleEndian(header[24..], shape.Count);
        BinaryPrimitives.WriteInt64LittleEndian(header[32..], counter.Written);
        BinaryPrimitives.WriteUInt32LittleEndian(header[40..], Crc32C.Of(header[..40]));
        stream.Write(header);
        var writer = new IndexWriter(stream);
        payload(writer);
        Span<byte> checksum = stackalloc byte[sizeof(uint)];
        BinaryPrimitives.WriteUInt32LittleEndian(checksum, writer.Checksum);
        stream.Write(checksum);
    }

    /// <summary>Reads an index; the stream then stands behind it.</summary>
    /// <param name="read">Makes the index from the payload; must read all of it. What it makes is given out only if the checksum is right.</param>
    /// <exception cref="InvalidDataException">The file is not a whole, undamaged index of that kind.</exception>
    public static T Load<T>(Stream stream, IndexKind kind, Func<IndexShape, IndexReader, T> read)
    {
        if (!BitConverter.IsLittleEndian)
            throw new PlatformNotSupportedException("Index files are little-endian and this processor is not; load on another machine.");
        Span<byte> header = stackalloc byte[HeaderBytes];
        int there = stream.ReadAtLeast(header, HeaderBytes, throwOnEndOfStream: false);
        if (there < Magic.Length || !header.StartsWith(Magic))
            throw new InvalidDataException(
                $"This is no index: it begins with 0x{Convert.ToHexString(header[..Math.Min(there, Magic.Length)])}, an index with 0x{Convert.ToHexString(Magic)};"
                + " name a file that was saved as one.");
        if (there < HeaderBytes)
            throw new InvalidDataException($"The index ends after {there} bytes of a header of {HeaderBytes}; copy or save it again.");
        int version = BinaryPrimitives.ReadInt32LittleEndian(header[8..]);
        if (version != Version)
            throw new InvalidDataException($"The index has format version {version} and this program reads version {Version}; build the index again.");
        uint checksum = BinaryPrimitives.ReadUInt32LittleEndian(header[40..]);
        if (checksum != Crc32C.Of(header[..40]))
            throw new InvalidDataException(
                $"The header of the index is damaged (checksum {Crc32C.Of(header[..40]):x8} and not {checksum:x8}); copy or save it again.");
        var found = (IndexKind)BinaryPrimitives.ReadInt32LittleEndian(header[12..]);
        if (found != kind)
            throw new InvalidDataException($"The file holds an index of kind {found} and not {kind}; load it as that.");
        var shape = new IndexShape(
            BinaryPrimitives.ReadInt32LittleEndian(header[16..]),
            BinaryPrimitives.ReadInt32LittleEndian(header[20..]),
            BinaryPrimitives.ReadInt32LittleEndian(header[24..]));
        int reserved = BinaryPrimitives.ReadInt32LittleEndian(header[28..]);
        if (shape.Dim is < 1 or > MostDim || shape.First < 0 || shape.Count < 0 || (long)shape.First + shape.Count > int.MaxValue || reserved != 0)
            throw new InvalidDataException(
                $"The index claims {shape.Count} rows of {shape.Dim} elements from row {shape.First} on, which cannot be; save it again.");
        long length = BinaryPrimitives.ReadInt64LittleEndian(header[32..]);
        if (length < 0 || (stream.CanSeek && length > stream.Length - stream.Position - sizeof(uint)))
            throw new InvalidDataException(
                $"The index should have {length:N0} more bytes and a checksum, and the file ends before; copy or save it again.");
        var reader = new IndexReader(stream, length);
        T index = read(shape, reader);
        reader.Finish();
        return index;
    }
}
