using System.Runtime.InteropServices;

namespace Retrieval.Runtime.Models;

/// <summary>Finds out what a path holds, reads configuration and tensors, and puts the <see cref="Checkpoint"/> together.</summary>
internal static class CheckpointOpener
{
    private const string WeightsFile = "model.safetensors";
    private const string IndexFile = "model.safetensors.index.json";

    public static Checkpoint Open(string path, IReadOnlyDictionary<string, string>? overrides)
    {
        if (Directory.Exists(path))
            return OpenFolder(path, overrides);
        if (!File.Exists(path))
            throw new InputException($"{path} does not exist; give a folder with config.json and {WeightsFile}, a .safetensors file or a .gguf file.");
        return Path.GetExtension(path).ToLowerInvariant() switch
        {
            ".gguf" => OpenGguf(path, overrides),
            ".safetensors" => OpenSafetensors(path, Parent(path), Path.GetFileNameWithoutExtension(path), () => SafetensorsFile.OpenSingle(path), overrides),
            _ => throw new InputException($"{path} is neither a folder, nor a .safetensors file, nor a .gguf file; convert the model to one of them."),
        };
    }

    private static Checkpoint OpenFolder(string folder, IReadOnlyDictionary<string, string>? overrides)
    {
        string weights = Path.Combine(folder, WeightsFile);
        string index = Path.Combine(folder, IndexFile);
        string name = Path.GetFileName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder)));
        if (File.Exists(weights))
            return OpenSafetensors(folder, folder, name, () => SafetensorsFile.OpenSingle(weights), overrides);
        if (File.Exists(index))
            return OpenSafetensors(folder, folder, name, () => SafetensorsFile.OpenSharded(index), overrides);
        string? gguf = Directory.EnumerateFiles(folder, "*.gguf").Order(StringComparer.Ordinal).FirstOrDefault();
        throw new InputException(gguf is null
            ? $"{folder} holds neither {WeightsFile} nor {IndexFile}; download the safetensors version of the model."
            : $"{folder} holds no {WeightsFile}; to use the GGUF file give its own path, {gguf}.");
    }

    private static Checkpoint OpenSafetensors(
        string path, string folder, string name, Func<SafetensorsFile> open, IReadOnlyDictionary<string, string>? overrides)
    {
        string configPath = Path.Combine(folder, "config.json");
        if (!File.Exists(configPath))
            throw new InputException($"{configPath} does not exist; safetensors weights need the config.json that belongs to them in the same folder.");
        Dictionary<string, object> values = ConfigJson.ReadFile(configPath);
        HashSet<string> before = [.. values.Keys];
        AddGenerationTokens(folder, values);
        SettingOverrides.ApplyToJson(overrides, values);
        var settings = new Settings(values, configPath);
        ModelConfig config = HuggingFaceConfig.Read(settings);
        SettingOverrides.RefuseUnknown(overrides, before, settings);

        return Guarded(open(), file => new Checkpoint(file, config, TensorTable.Match(config, file.Tensors, path))
        {
            Path = path,
            Name = name,
            Folder = folder,
            FileBytes = file.FileBytes,
        });
    }

    /// <summary>Chat models list all their end tokens only in generation_config.json.</summary>
    private static void AddGenerationTokens(string folder, Dictionary<string, object> values)
    {
        string path = Path.Combine(folder, "generation_config.json");
        if (!File.Exists(path))
            return;
        var generation = new Settings(ConfigJson.ReadFile(path), path);
        var stated = new Settings(values, Path.Combine(folder, "config.json"));
        int[] tokens = [.. stated.Ints("eos_token_id", -1, ModelLimits.Vocabulary).Concat(generation.Ints("eos_token_id", -1, ModelLimits.Vocabulary)).Distinct()];
        if (tokens.Length > 0)
            values["eos_token_id"] = tokens;
    }

    private static Checkpoint OpenGguf(string path, IReadOnlyDictionary<string, string>? overrides) => Guarded(GgufFile.Open(path), file =>
    {
        Dictionary<string, object> values = new(file.Metadata);
        HashSet<string> before = [.. values.Keys];
        SettingOverrides.ApplyToGguf(overrides, values);
        var settings = new Settings(values, path);
        ModelConfig config = GgufConfig.Read(settings, file.Tensors);
        SettingOverrides.RefuseUnknown(overrides, before, settings);

        var tensors = new Dictionary<string, FileTensor>(StringComparer.Ordinal);
        foreach (FileTensor tensor in file.Tensors.Values)
        {
            if (tensor.Name == TensorNames.GgufRopeDivisors)
                config = config with { Rope = config.Rope with { FrequencyDivisors = Divisors(tensor, config.Rope.Dimensions / 2, path) } };
            else if (!tensors.TryAdd(TensorNames.FromGguf(tensor.Name), tensor))
                throw new InputException($"{path} has the tensor {tensor.Name} twice under different names; the file is damaged.");
        }
        return new Checkpoint(file, config, TensorTable.Match(config, tensors, path))
        {
            Path = path,
            Name = settings.Text("general.name") is { Length: > 0 } name ? name : Path.GetFileNameWithoutExtension(path),
            Folder = Parent(path),
            FileBytes = file.FileBytes,
            GgufMetadata = values,
        };
    });

    private static unsafe float[] Divisors(FileTensor tensor, int count, string path)
    {
        if (tensor.Type != TensorType.F32 || tensor.Shape is not [long elements] || elements != count)
            throw new InputException($"{path}: tensor {tensor.Name} is {tensor.TypeName} [{string.Join(", ", tensor.Shape)}] but must be F32 [{count}]; the file is damaged.");
        float[] divisors = MemoryMarshal.Cast<byte, float>(new ReadOnlySpan<byte>((void*)tensor.Data, (int)tensor.Bytes)).ToArray();
        foreach (float divisor in divisors)
        {
            if (!(divisor > 0 && float.IsFinite(divisor)))
                throw new InputException($"{path}: tensor {tensor.Name} holds {divisor}, and divisors of frequencies must be positive; the file is damaged.");
        }
        return divisors;
    }

    private static Checkpoint Guarded<T>(T file, Func<T, Checkpoint> build) where T : IDisposable
    {
        try
        {
            return build(file);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    private static string Parent(string path) => Path.GetDirectoryName(Path.GetFullPath(path))!;
}
