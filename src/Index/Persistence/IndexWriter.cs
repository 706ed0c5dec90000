using System.Runtime.InteropServices;

namespace Retrieval.Index;

/// <summary>Writes the payload of an index, numbers and arrays without their lengths.</summary>
/// <param name="stream">Null: only counts.</param>
internal sealed class IndexWriter(Stream? stream)
{
    // The checksum of a portion is taken while it is in the cache.
    private const int Portion = 1 << 18;

    private Crc32C _checksum = new();

    /// <summary>Bytes written.</summary>
    public long Written { get; private set; }

    public uint Checksum => _checksum.Value;

    public void Write<T>(T value) where T : unmanaged => Write<T>([value]);

    public void Write<T>(ReadOnlySpan<T> values) where T : unmanaged
    {
        for (; !values.IsEmpty; values = values[Math.Min(values.Length, Portion)..])
        {
            ReadOnlySpan<byte> bytes = MemoryMarshal.AsBytes(values[..Math.Min(values.Length, Portion)]);
            Written += bytes.Length;
            if (stream is null)
                continue;
            _checksum.Add(bytes);
            stream.Write(bytes);
        }
    }
}
