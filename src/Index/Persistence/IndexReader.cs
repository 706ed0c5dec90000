using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Retrieval.Index;

/// <summary>Reads the payload of an index. Every failure is an <see cref="InvalidDataException"/>.</summary>
/// <param name="length">Bytes of the payload, as its header says; nothing is read beyond them.</param>
internal sealed class IndexReader(Stream stream, long length)
{
    // An array begins with so many bytes at most and grows as they arrive: a false length costs no memory.
    private const int Portion = 1 << 20;

    private Crc32C _checksum = new();

    /// <summary>Bytes of the payload that have not been read.</summary>
    public long Left { get; private set; } = length;

    /// <summary>Damaged or false data.</summary>
    /// <param name="problem">What is wrong, with the value.</param>
    public static InvalidDataException Error(string problem) => new($"The index is damaged: {problem}; copy or save it again.");

    public T Read<T>(string name) where T : unmanaged => ReadArray<T>(1, name)[0];

    /// <summary>A number within bounds.</summary>
    public int ReadInt(int least, int most, string name)
    {
        int value = Read<int>(name);
        return value >= least && value <= most ? value : throw Error($"{name} is {value} and not between {least} and {most}");
    }

    /// <summary>Finite numbers, at least <paramref name="least"/>.</summary>
    public float[] ReadFloats(long count, string name, float least = float.MinValue)
    {
        float[] values = ReadArray<float>(count, name);
        foreach (float value in values)
        {
            if (!float.IsFinite(value) || value < least)
                throw Error($"{name} holds {value}");
        }
        return values;
    }

    public AlignedBytes ReadAligned(long count, string name)
    {
        byte[] bytes = ReadArray<byte>(count, name);
        var aligned = new AlignedBytes(bytes.Length);
        bytes.CopyTo(aligned.Span);
        return aligned;
    }

    /// <summary>Starts of consecutive parts: 0 first, never falling, <paramref name="end"/> last.</summary>
    /// <param name="strict">No part is empty.</param>
    public int[] ReadStarts(int parts, int end, bool strict, string name)
    {
        int[] starts = ReadArray<int>(parts + 1L, name);
        if (starts[0] != 0 || starts[parts] != end)
            throw Error($"{name} go from {starts[0]} to {starts[parts]} and not from 0 to {end}");
        for (int i = 0; i < parts; i++)
        {
            if (starts[i + 1] < starts[i] || (strict && starts[i + 1] == starts[i]))
                throw Error($"{name} go from {starts[i]} to {starts[i + 1]}");
        }
        return starts;
    }

    public T[] ReadArray<T>(long count, string name) where T : unmanaged
    {
        int size = Unsafe.SizeOf<T>();
        if (count < 0 || count > Left / size || count > Array.MaxLength)
            throw Error($"{name} needs {count:N0} elements of {size} bytes and {Left:N0} bytes are left");
        var values = new T[Math.Min(count, Portion / size)];
        for (int filled = 0; filled < count;)
        {
            if (filled == values.Length)
                Array.Resize(ref values, (int)Math.Min(count, 2L * filled));
            Span<byte> bytes = MemoryMarshal.AsBytes(values.AsSpan(filled));
            bytes = bytes[..Math.Min(bytes.Length, Portion)];
            Fill(bytes);
            Left -= bytes.Length;
            filled += bytes.Length / size;
        }
        return values;
    }

    /// <summary>Throws unless the payload ends here and its checksum is right.</summary>
    public void Finish()
    {
        if (Left != 0)
            throw Error($"{Left:N0} bytes too many");
        uint found = _checksum.Value;
        Span<byte> checksum = stackalloc byte[sizeof(uint)];
        Fill(checksum);
        uint expected = BinaryPrimitives.ReadUInt32LittleEndian(checksum);
        if (found != expected)
            throw Error($"its checksum is {found:x8} and should be {expected:x8}");
    }

    private void Fill(Span<byte> bytes)
    {
        int there = stream.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false);
        if (there < bytes.Length)
            throw Error($"it ends where at least {bytes.Length - there:N0} bytes should follow");
        _checksum.Add(bytes);
    }
}
