using System.Text;

namespace Retrieval.TestKit;

/// <summary>Writes GGUF version 3 files for tests, little endian, aligned to general.alignment or 32 bytes.</summary>
public static class TinyGguf
{
    private static readonly Dictionary<string, uint> Types = new()
    {
        ["F32"] = 0,
        ["F16"] = 1,
        ["Q4_0"] = 2,
        ["Q4_1"] = 3,
        ["Q5_0"] = 6,
        ["Q5_1"] = 7,
        ["Q8_0"] = 8,
        ["Q2_K"] = 10,
        ["Q3_K"] = 11,
        ["Q4_K"] = 12,
        ["Q5_K"] = 13,
        ["Q6_K"] = 14,
        ["IQ4_NL"] = 20,
        ["IQ4_XS"] = 23,
        ["BF16"] = 30,
    };

    /// <summary>Writes a file.</summary>
    /// <param name="path">File to write.</param>
    /// <param name="metadata">byte … ulong, float, double, bool, string, or arrays of them; the .NET type chooses the GGUF type.</param>
    /// <param name="tensors">Under GGUF names; shapes rows first, turned around here.</param>
    public static void Write(string path, IReadOnlyDictionary<string, object> metadata, IReadOnlyList<TinyTensor> tensors) =>
        File.WriteAllBytes(path, Bytes(metadata, tensors));

    /// <summary>The bytes of a file.</summary>
    public static byte[] Bytes(IReadOnlyDictionary<string, object> metadata, IReadOnlyList<TinyTensor> tensors, uint version = 3)
    {
        long alignment = metadata.TryGetValue("general.alignment", out object? stated) && stated is uint value ? value : 32;
        using var stream = new MemoryStream();
        using var writer = new BinaryWriter(stream);
        writer.Write("GGUF"u8);
        writer.Write(version);
        writer.Write((ulong)tensors.Count);
        writer.Write((ulong)metadata.Count);
        foreach ((string key, object item) in metadata)
        {
            WriteText(writer, key);
            WriteTyped(writer, item);
        }

        long offset = 0;
        foreach (TinyTensor tensor in tensors)
        {
            WriteText(writer, tensor.Name);
            writer.Write((uint)tensor.Shape.Length);
            foreach (long size in tensor.Shape.Reverse())
                writer.Write((ulong)size);
            writer.Write(Types[tensor.Type]);
            writer.Write((ulong)offset);
            offset = Aligned(offset + tensor.Data.Length, alignment);
        }
        foreach (TinyTensor tensor in tensors)
        {
            while (stream.Length % alignment != 0)
                writer.Write((byte)0);
            writer.Write(tensor.Data);
        }
        return stream.ToArray();
    }

    private static long Aligned(long value, long alignment) => (value + alignment - 1) / alignment * alignment;

    private static void WriteText(BinaryWriter writer, string text)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(text);
        writer.Write((ulong)bytes.Length);
        writer.Write(bytes);
    }

    private static void WriteTyped(BinaryWriter writer, object value)
    {
        if (value is not Array array)
        {
            writer.Write(TypeNumber(value.GetType()));
            WriteScalar(writer, value);
            return;
        }
        writer.Write(9u);
        writer.Write(TypeNumber(value.GetType().GetElementType()!));
        writer.Write((ulong)array.Length);
        foreach (object item in array)
            WriteScalar(writer, item);
    }

    private static uint TypeNumber(Type type) => (uint)Array.IndexOf(
        [typeof(byte), typeof(sbyte), typeof(ushort), typeof(short), typeof(uint), typeof(int), typeof(float), typeof(bool),
         typeof(string), typeof(Array), typeof(ulong), typeof(long), typeof(double)], type);

    private static void WriteScalar(BinaryWriter writer, object value)
    {
        switch (value)
        {
            case byte v: writer.Write(v); break;
            case sbyte v: writer.Write(v); break;
            case ushort v: writer.Write(v); break;
            case short v: writer.Write(v); break;
            case uint v: writer.Write(v); break;
            case int v: writer.Write(v); break;
            case float v: writer.Write(v); break;
            case bool v: writer.Write(v); break;
            case string v: WriteText(writer, v); break;
            case ulong v: writer.Write(v); break;
            case long v: writer.Write(v); break;
            case double v: writer.Write(v); break;
            default: throw new ArgumentException($"no GGUF type for {value.GetType()}", nameof(value));
        }
    }
}
