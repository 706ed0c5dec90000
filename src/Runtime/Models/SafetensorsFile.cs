using System.Text.Json;

namespace Retrieval.Runtime.Models;

/// <summary>
/// The tensors of one safetensors file, or of the shards that a model.safetensors.index.json lists
/// (<c>weight_map</c>: tensor → file in the same folder).
/// </summary>
internal sealed class SafetensorsFile : IDisposable
{
    private readonly List<MappedFile> _files = [];
    private readonly Dictionary<string, FileTensor> _tensors = [];

    private SafetensorsFile() { }

    public IReadOnlyDictionary<string, FileTensor> Tensors => _tensors;

    /// <summary>Bytes of all files.</summary>
    public long FileBytes => _files.Sum(f => f.Length);

    /// <summary>Opens a single file.</summary>
    /// <exception cref="InputException">The file is missing or breaks the format.</exception>
    public static SafetensorsFile OpenSingle(string path) => Guarded(result => result.Add(path));

    /// <summary>Opens every shard that an index file names.</summary>
    /// <exception cref="InputException">The index or a shard is missing, breaks its format, or they contradict each other.</exception>
    public static SafetensorsFile OpenSharded(string indexPath) => Guarded(result =>
    {
        Dictionary<string, string> map = ReadIndex(indexPath);
        string folder = Path.GetDirectoryName(Path.GetFullPath(indexPath))!;
        foreach (string shard in map.Values.Distinct().Order(StringComparer.Ordinal))
        {
            string path = Path.Combine(folder, shard);
            HashSet<string> held = result.Add(path);
            foreach ((string name, string file) in map)
            {
                if (file == shard && !held.Contains(name))
                    throw new InputException($"{indexPath} says that {name} is in {shard}, which does not hold it; index and shards are of different versions.");
            }
        }
    });

    public void Dispose()
    {
        foreach (MappedFile file in _files)
            file.Dispose();
    }

    private static SafetensorsFile Guarded(Action<SafetensorsFile> fill)
    {
        var result = new SafetensorsFile();
        try
        {
            fill(result);
            return result;
        }
        catch
        {
            result.Dispose();
            throw;
        }
    }

    private HashSet<string> Add(string path)
    {
        var file = new MappedFile(path);
        _files.Add(file);
        HashSet<string> names = [];
        foreach (FileTensor tensor in SafetensorsHeader.Read(file))
        {
            names.Add(tensor.Name);
            if (!_tensors.TryAdd(tensor.Name, tensor))
                throw new InputException($"{path} holds {tensor.Name}, which another shard holds too; remove the shard that does not belong here.");
        }
        return names;
    }

    private static Dictionary<string, string> ReadIndex(string indexPath)
    {
        Dictionary<string, string> map = [];
        JsonText.ParseFile(indexPath, root =>
        {
            if (!root.TryGetProperty("weight_map", out JsonElement weights) || weights.ValueKind != JsonValueKind.Object)
                throw new InputException($"{indexPath} has no weight_map object; it is not a safetensors index.");
            foreach (JsonProperty entry in weights.EnumerateObject())
            {
                string shard = entry.Value.ValueKind == JsonValueKind.String ? entry.Value.GetString()! : "";
                // A shard is a plain file name: an index must not reach outside its folder.
                if (shard is "" or "." or ".." || shard.AsSpan().ContainsAny('/', '\\', '\0') || Path.IsPathRooted(shard))
                    throw new InputException($"{indexPath}: {entry.Name} is in '{entry.Value.GetRawText()}', which is not a file name in the same folder; correct the index.");
                map.Add(entry.Name, shard);
            }
        });
        if (map.Count == 0)
            throw new InputException($"{indexPath} lists no tensors; download it again.");
        return map;
    }
}
