using System.Text.Json;

namespace Retrieval.Runtime.Models;

/// <summary>
/// The JSON header of a safetensors file: name → dtype, shape and the byte range in the data that follows. The checks are
/// those of the format's own validator (huggingface/safetensors, README "Format"): a header of at most 100 MB, ranges that
/// tile the data exactly (neither holes nor overlaps), and byte lengths that equal the shape.
/// </summary>
internal static class SafetensorsHeader
{
    private const long MaxHeaderBytes = 100_000_000;

    /// <summary>Reads and checks the header of a mapped file.</summary>
    /// <exception cref="InputException">The file breaks the format; the message holds the tensor and the value.</exception>
    public static unsafe List<FileTensor> Read(MappedFile file)
    {
        string path = file.FilePath;
        if (file.Length < 8)
            throw new InputException($"{path} has {file.Length} bytes, too few for a safetensors header; download it again.");
        ulong headerBytes = *(ulong*)file.Pointer;
        if (headerBytes > (ulong)(file.Length - 8) || headerBytes > MaxHeaderBytes)
            throw new InputException($"{path} announces a header of {headerBytes} bytes but has {file.Length} bytes (and the limit is {MaxHeaderBytes}); it is cut short or not a safetensors file.");

        byte* data = file.Pointer + 8 + headerBytes;
        long dataBytes = file.Length - 8 - (long)headerBytes;
        var tensors = new List<(FileTensor Tensor, long Begin)>();
        JsonText.Parse(new ReadOnlySpan<byte>(file.Pointer + 8, (int)headerBytes), $"{path}: the header", 16, root =>
        {
            foreach (JsonProperty entry in root.EnumerateObject())
            {
                if (entry.Name != "__metadata__")
                    tensors.Add(Entry(path, entry.Name, entry.Value, (nint)data, dataBytes));
            }
        });
        CheckTiling(path, tensors, dataBytes);
        return tensors.ConvertAll(t => t.Tensor);
    }

    private static (FileTensor Tensor, long Begin) Entry(string path, string name, JsonElement entry, nint data, long dataBytes)
    {
        if (entry.ValueKind != JsonValueKind.Object
            || !entry.TryGetProperty("dtype", out JsonElement dtype) || dtype.ValueKind != JsonValueKind.String
            || !entry.TryGetProperty("shape", out JsonElement shapes) || shapes.ValueKind != JsonValueKind.Array
            || !entry.TryGetProperty("data_offsets", out JsonElement offsets) || offsets.ValueKind != JsonValueKind.Array
            || offsets.GetArrayLength() != 2)
        {
            throw new InputException($"{path}: tensor {name} must have a dtype, a shape and two data_offsets; the file is damaged.");
        }

        long[] shape = Longs(path, name, "shape", shapes);
        long[] range = Longs(path, name, "data_offsets", offsets);
        if (range[0] > range[1] || range[1] > dataBytes)
            throw new InputException($"{path}: tensor {name} has data_offsets [{range[0]}, {range[1]}] but the file has {dataBytes} bytes of data; it is damaged or cut short.");

        string typeName = dtype.GetString()!;
        long bytes = range[1] - range[0];
        if (Bits(typeName) is int bits && (!TryProduct(shape, bits, out long total) || total % 8 != 0 || total / 8 != bytes))
            throw new InputException($"{path}: tensor {name} takes {bytes} bytes, which is not what {typeName} [{string.Join(", ", shape)}] needs; the file is damaged.");

        TensorType? type = typeName switch
        {
            "F32" => TensorType.F32,
            "F16" => TensorType.F16,
            "BF16" => TensorType.BF16,
            _ => null,
        };
        return (new FileTensor(name, type, typeName, shape, (nint)(data + range[0]), bytes), range[0]);
    }

    private static long[] Longs(string path, string name, string field, JsonElement array)
    {
        long[] values = new long[array.GetArrayLength()];
        for (int i = 0; i < values.Length; i++)
        {
            if (array[i].ValueKind != JsonValueKind.Number || !array[i].TryGetInt64(out values[i]) || values[i] < 0)
                throw new InputException($"{path}: tensor {name} has {array[i].GetRawText()} in its {field}, which must hold non-negative 64-bit integers; the file is damaged.");
        }
        return values;
    }

    private static bool TryProduct(long[] shape, int bits, out long total)
    {
        total = bits;
        foreach (long size in shape)
        {
            if (size == 0)
            {
                total = 0;
                return true;
            }
            if (total > long.MaxValue / size)
                return false;
            total *= size;
        }
        return true;
    }

    /// <summary>Bits of an element; null for types newer than this table, whose length nobody here can check.</summary>
    private static int? Bits(string dtype) => dtype switch
    {
        "F4" => 4,
        "F6_E2M3" or "F6_E3M2" => 6,
        "BOOL" or "U8" or "I8" or "F8_E4M3" or "F8_E5M2" or "F8_E8M0" or "F8_E4M3FNUZ" or "F8_E5M2FNUZ" => 8,
        "U16" or "I16" or "F16" or "BF16" => 16,
        "U32" or "I32" or "F32" => 32,
        "U64" or "I64" or "F64" or "C64" => 64,
        _ => null,
    };

    private static void CheckTiling(string path, List<(FileTensor Tensor, long Begin)> tensors, long dataBytes)
    {
        long end = 0;
        foreach ((FileTensor tensor, long begin) in tensors.OrderBy(t => t.Begin).ThenBy(t => t.Tensor.Bytes))
        {
            if (begin != end)
                throw new InputException($"{path}: tensor {tensor.Name} starts at byte {begin} where the one before it ends at {end}; tensors must neither overlap nor leave holes, so the file is damaged.");
            end = begin + tensor.Bytes;
        }
        if (end != dataBytes)
            throw new InputException($"{path} has {dataBytes} bytes of data but its tensors end at byte {end}; the file is damaged.");
    }
}
