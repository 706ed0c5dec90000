using System.Runtime.CompilerServices;
using System.Text;

namespace Retrieval.Runtime.Models;

/// <summary>
/// Reads the little-endian values of a GGUF header in order. Every read, and every count before anything is allocated for
/// it, is held against the bytes that are left.
/// </summary>
internal sealed unsafe class GgufCursor(byte* data, long length, string file)
{
    public long Position { get; private set; }

    public string File => file;

    private long Left => length - Position;

    public T Read<T>(string what) where T : unmanaged
    {
        Need(1, sizeof(T), what);
        T value = Unsafe.ReadUnaligned<T>(data + Position);
        Position += sizeof(T);
        return value;
    }

    /// <summary>UTF-8 with a 64-bit length before it.</summary>
    public string ReadString(string what)
    {
        ulong bytes = Read<ulong>(what);
        Need(bytes, 1, what);
        string text = Encoding.UTF8.GetString(data + Position, (int)bytes);
        Position += (long)bytes;
        return text;
    }

    /// <summary>A value of a numbered type (gguf.h, enum gguf_type), boxed; arrays become typed arrays.</summary>
    public object ReadValue(uint type, string key) => type switch
    {
        0 => Read<byte>(key),
        1 => Read<sbyte>(key),
        2 => Read<ushort>(key),
        3 => Read<short>(key),
        4 => Read<uint>(key),
        5 => Read<int>(key),
        6 => Read<float>(key),
        7 => ReadBool(key),
        8 => ReadString(key),
        9 => ReadArray(key),
        10 => Read<ulong>(key),
        11 => Read<long>(key),
        12 => Read<double>(key),
        _ => throw new InputException($"{file}: {key} has value type {type}, and GGUF has types 0 to 12; the file is damaged or newer than this program."),
    };

    private Array ReadArray(string key)
    {
        uint type = Read<uint>(key);
        ulong count = Read<ulong>(key);
        return type switch
        {
            0 => ReadMany<byte>(count, key),
            1 => ReadMany<sbyte>(count, key),
            2 => ReadMany<ushort>(count, key),
            3 => ReadMany<short>(count, key),
            4 => ReadMany<uint>(count, key),
            5 => ReadMany<int>(count, key),
            6 => ReadMany<float>(count, key),
            7 => ReadEach(count, 1, key, ReadBool),
            8 => ReadEach(count, 8, key, ReadString),
            9 => throw new InputException($"{file}: {key} is an array of arrays, which no supported model uses; remove the key from the file."),
            10 => ReadMany<ulong>(count, key),
            11 => ReadMany<long>(count, key),
            12 => ReadMany<double>(count, key),
            _ => throw new InputException($"{file}: {key} is an array of value type {type}, and GGUF has types 0 to 12; the file is damaged or newer than this program."),
        };
    }

    private bool ReadBool(string key) => Read<byte>(key) switch
    {
        0 => false,
        1 => true,
        byte other => throw new InputException($"{file}: {key} holds {other} where a boolean must be 0 or 1; the file is damaged."),
    };

    private T[] ReadMany<T>(ulong count, string key) where T : unmanaged
    {
        Need(count, sizeof(T), key);
        T[] values = new T[count];
        long bytes = values.LongLength * sizeof(T);
        fixed (T* target = values)
            Buffer.MemoryCopy(data + Position, target, bytes, bytes);
        Position += bytes;
        return values;
    }

    private T[] ReadEach<T>(ulong count, int atLeast, string key, Func<string, T> read)
    {
        Need(count, atLeast, key);
        var values = new T[count];
        for (int i = 0; i < values.Length; i++)
            values[i] = read(key);
        return values;
    }

    private void Need(ulong count, int size, string what)
    {
        if (count > (ulong)(Left / size) || count > int.MaxValue / 2)
            throw new InputException($"{file}: {what} needs {count} × {size} bytes at byte {Position} but {Left} are left; the file is damaged or cut short.");
    }
}
