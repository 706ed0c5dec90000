using System.Diagnostics.CodeAnalysis;

namespace Retrieval.Runtime.Models;

/// <summary>
/// An open model: its configuration, and its tensors under their Hugging Face names whatever the format, still in the
/// memory-mapped files. Every tensor the configuration calls for is there in the right shape; nothing unknown is.
/// </summary>
public sealed class Checkpoint : IDisposable
{
    private readonly IDisposable _files;

    internal Checkpoint(IDisposable files, ModelConfig config, IReadOnlyDictionary<string, StoredTensor> tensors)
    {
        _files = files;
        Config = config;
        Tensors = tensors;
    }

    /// <summary>As given to <see cref="Open"/>.</summary>
    public required string Path { get; init; }

    /// <summary>general.name of a GGUF file that has one, else the name of the folder or file.</summary>
    public required string Name { get; init; }

    /// <summary>Folder that holds the files, where a tokenizer.json may lie.</summary>
    public required string? Folder { get; init; }

    /// <summary>Bytes of the weight files together.</summary>
    public required long FileBytes { get; init; }

    /// <summary>
    /// Metadata of a GGUF file with the overrides applied, scalars boxed in the file's types and arrays as typed arrays
    /// (string[], float[], int[], …); null for safetensors.
    /// </summary>
    public IReadOnlyDictionary<string, object>? GgufMetadata { get; init; }

    public ModelConfig Config { get; }

    /// <summary>Tensors of the model by Hugging Face name; a tied head is not listed again.</summary>
    public IReadOnlyDictionary<string, StoredTensor> Tensors { get; }

    /// <summary>
    /// Opens a folder (config.json and model.safetensors, or shards with their index), a .safetensors file with config.json
    /// beside it, or a .gguf file.
    /// </summary>
    /// <param name="path">Folder or file.</param>
    /// <param name="overrides">Changes to keys of config.json or GGUF metadata: JSON values, plain text, or TYPE:VALUE with
    /// int, float, bool or str.</param>
    /// <exception cref="InputException">The files are missing, damaged, hostile, or describe a model that is not implemented;
    /// or an override names an unknown key.</exception>
    public static Checkpoint Open(string path, IReadOnlyDictionary<string, string>? overrides = null) =>
        CheckpointOpener.Open(path, overrides);

    /// <summary>A tensor by its Hugging Face name; lm_head.weight of a tied model is the embedding.</summary>
    /// <exception cref="InputException">The model has no such tensor.</exception>
    public StoredTensor Get(string huggingFaceName) => TryGet(huggingFaceName, out StoredTensor? tensor)
        ? tensor
        : throw new InputException($"{Path} has no tensor {huggingFaceName}; it is a {Config.Family} model of {Config.Layers} layers.");

    /// <summary>As <see cref="Get"/>, without the error.</summary>
    public bool TryGet(string huggingFaceName, [NotNullWhen(true)] out StoredTensor? tensor)
    {
        if (huggingFaceName == TensorNames.Head && Config.TiedEmbeddings)
            huggingFaceName = TensorNames.Embedding;
        return Tensors.TryGetValue(huggingFaceName, out tensor);
    }

    /// <summary>
    /// Lets the operating system take back the pages of a tensor that has been copied or unpacked; reading it again brings
    /// them back from the file. Does nothing outside Linux.
    /// </summary>
    public static void Release(StoredTensor tensor) => MappedFile.Release(tensor.Data, tensor.Bytes);

    /// <summary>Unmaps the files: the addresses of all tensors become invalid.</summary>
    public void Dispose() => _files.Dispose();
}
