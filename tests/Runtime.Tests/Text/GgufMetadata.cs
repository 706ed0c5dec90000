using System.Text;

namespace Retrieval.Runtime.Tests.Text;

/// <summary>As much of a GGUF reader as these tests need: the metadata of a well-formed file.</summary>
internal static class GgufMetadata
{
    public static Dictionary<string, object> Read(string path)
    {
        using var reader = new BinaryReader(File.OpenRead(path));
        reader.ReadUInt32();
        reader.ReadUInt32();
        reader.ReadUInt64();
        ulong count = reader.ReadUInt64();
        Dictionary<string, object> metadata = [];
        for (ulong i = 0; i < count; i++)
        {
            string key = Text(reader);
            metadata.Add(key, Value(reader, reader.ReadUInt32()));
        }
        return metadata;
    }

    private static object Value(BinaryReader reader, uint type) => type switch
    {
        0 => reader.ReadByte(),
        1 => reader.ReadSByte(),
        2 => reader.ReadUInt16(),
        3 => reader.ReadInt16(),
        4 => reader.ReadUInt32(),
        5 => reader.ReadInt32(),
        6 => reader.ReadSingle(),
        7 => reader.ReadByte() != 0,
        8 => Text(reader),
        9 => List(reader),
        10 => reader.ReadUInt64(),
        11 => reader.ReadInt64(),
        12 => reader.ReadDouble(),
        _ => throw new InvalidDataException($"GGUF value type {type}"),
    };

    private static Array List(BinaryReader reader)
    {
        uint type = reader.ReadUInt32();
        var items = new object[reader.ReadUInt64()];
        for (int i = 0; i < items.Length; i++)
            items[i] = Value(reader, type);
        Array typed = Array.CreateInstance(items.Length == 0 ? typeof(string) : items[0].GetType(), items.Length);
        Array.Copy(items, typed, items.Length);
        return typed;
    }

    private static string Text(BinaryReader reader) => Encoding.UTF8.GetString(reader.ReadBytes((int)reader.ReadUInt64()));
}
