using System.Buffers.Binary;
using System.Numerics;

namespace Retrieval.Index;

/// <summary>
/// CRC-32C (Castagnoli), by the processor's instruction where there is one. Finds damage, not forgery: whoever can change a file can
/// change its checksum too, so what kernels rely on is checked as well. No native library is needed, as it is for SHA-256.
/// </summary>
internal struct Crc32C()
{
    private uint _state = uint.MaxValue;

    public readonly uint Value => ~_state;

    public static uint Of(ReadOnlySpan<byte> bytes)
    {
        var crc = new Crc32C();
        crc.Add(bytes);
        return crc.Value;
    }

    public void Add(ReadOnlySpan<byte> bytes)
    {
        for (; bytes.Length >= sizeof(ulong); bytes = bytes[sizeof(ulong)..])
            _state = BitOperations.Crc32C(_state, BinaryPrimitives.ReadUInt64LittleEndian(bytes));
        foreach (byte value in bytes)
            _state = BitOperations.Crc32C(_state, value);
    }
}
