using System.Buffers.Binary;
using System.Text;
using System.Text.Json;

namespace Retrieval.TestKit;

/// <summary>Writes safetensors checkpoints for tests.</summary>
public static class TinyCheckpoint
{
    /// <summary>Writes config.json and model.safetensors into a folder, which is made if needed.</summary>
    /// <param name="folder">Folder of the checkpoint.</param>
    /// <param name="configJson">Text of config.json.</param>
    /// <param name="tensors">Written in this order without gaps.</param>
    public static void WriteSafetensors(string folder, string configJson, IEnumerable<TinyTensor> tensors)
    {
        Directory.CreateDirectory(folder);
        File.WriteAllText(Path.Combine(folder, "config.json"), configJson);
        File.WriteAllBytes(Path.Combine(folder, "model.safetensors"), Safetensors(tensors));
    }

    /// <summary>Writes config.json, shards of the given tensors, and their model.safetensors.index.json.</summary>
    public static void WriteShards(string folder, string configJson, IReadOnlyList<IReadOnlyList<TinyTensor>> shards)
    {
        Directory.CreateDirectory(folder);
        File.WriteAllText(Path.Combine(folder, "config.json"), configJson);
        var map = new SortedDictionary<string, string>(StringComparer.Ordinal);
        for (int i = 0; i < shards.Count; i++)
        {
            string file = $"model-{i + 1:00000}-of-{shards.Count:00000}.safetensors";
            File.WriteAllBytes(Path.Combine(folder, file), Safetensors(shards[i]));
            foreach (TinyTensor tensor in shards[i])
                map[tensor.Name] = file;
        }
        File.WriteAllText(Path.Combine(folder, "model.safetensors.index.json"), JsonSerializer.Serialize(new { weight_map = map }));
    }

    /// <summary>The bytes of a safetensors file.</summary>
    public static byte[] Safetensors(IEnumerable<TinyTensor> tensors)
    {
        var header = new Dictionary<string, object>();
        using var data = new MemoryStream();
        foreach (TinyTensor tensor in tensors)
        {
            long begin = data.Length;
            data.Write(tensor.Data);
            header[tensor.Name] = new { dtype = tensor.Type, shape = tensor.Shape, data_offsets = new[] { begin, data.Length } };
        }
        return Safetensors(JsonSerializer.Serialize(header), data.ToArray());
    }

    /// <summary>As above from a header's text, right or wrong; padded with spaces to a multiple of 8 bytes.</summary>
    public static byte[] Safetensors(string header, byte[] data)
    {
        byte[] text = Encoding.UTF8.GetBytes(header);
        int padded = (text.Length + 7) / 8 * 8;
        byte[] file = new byte[8 + padded + data.Length];
        BinaryPrimitives.WriteUInt64LittleEndian(file, (ulong)padded);
        file.AsSpan(8, padded).Fill((byte)' ');
        text.CopyTo(file, 8);
        data.CopyTo(file, 8 + padded);
        return file;
    }
}
