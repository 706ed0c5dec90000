using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text.Json;

namespace Retrieval.TestKit;

/// <summary>Reads tensors of a safetensors file for tests that do without the runtime.</summary>
public sealed class SafetensorsFile16(string path)
{
    /// <summary>Elements of an F16 tensor, widened to float32.</summary>
    public float[] Half(string name) => Array.ConvertAll(Read<Half>(name, "F16"), value => (float)value);

    public float[] Single(string name) => Read<float>(name, "F32");

    public int[] Integers(string name) => Read<int>(name, "I32");

    private T[] Read<T>(string name, string type) where T : unmanaged
    {
        using FileStream file = File.OpenRead(path);
        Span<byte> size = stackalloc byte[8];
        file.ReadExactly(size);
        var header = new byte[BinaryPrimitives.ReadInt64LittleEndian(size)];
        file.ReadExactly(header);
        using JsonDocument json = JsonDocument.Parse(header);
        JsonElement tensor = json.RootElement.GetProperty(name), offsets = tensor.GetProperty("data_offsets");
        if (tensor.GetProperty("dtype").GetString() != type)
            throw new InvalidDataException($"{name} of {path} is not {type}.");
        var data = new byte[offsets[1].GetInt64() - offsets[0].GetInt64()];
        file.Position = 8 + header.Length + offsets[0].GetInt64();
        file.ReadExactly(data);
        return MemoryMarshal.Cast<byte, T>(data).ToArray();
    }
}
