namespace Retrieval.Runtime.Models;

/// <summary>Holds what a file has against what the model needs: presence, shape, readable type, and nothing left over.</summary>
internal static class TensorTable
{
    /// <param name="config">The model.</param>
    /// <param name="stored">The file's tensors under their Hugging Face names.</param>
    /// <param name="source">File or folder that messages name.</param>
    /// <exception cref="InputException">A tensor is missing, misshapen, of an unreadable type, or not part of the model.</exception>
    public static Dictionary<string, StoredTensor> Match(ModelConfig config, IReadOnlyDictionary<string, FileTensor> stored, string source)
    {
        var result = new Dictionary<string, StoredTensor>(StringComparer.Ordinal);
        foreach ((string name, int[] shape) in TensorNames.Expected(config))
        {
            if (!stored.TryGetValue(name, out FileTensor? tensor)
                && !(name == TensorNames.Embedding && config.TiedEmbeddings && stored.TryGetValue(TensorNames.Head, out tensor)))
            {
                throw new InputException($"{source} has no tensor {name} [{string.Join(", ", shape)}], which a {config.Family} model of {config.Layers} layers needs; the checkpoint is incomplete or of another family.");
            }
            result.Add(name, Check(name, shape, tensor, source));
        }
        // A stored head beside a tied embedding repeats it; it must still look like one.
        if (config.TiedEmbeddings && stored.TryGetValue(TensorNames.Head, out FileTensor? head))
            Check(TensorNames.Head, [config.Vocabulary, config.Hidden], head, source);

        string[] extra = [.. stored.Keys
            .Where(name => !result.ContainsKey(name) && !TensorNames.IsHarmless(name) && !(config.TiedEmbeddings && name == TensorNames.Head))
            .Order(StringComparer.Ordinal)];
        return extra.Length == 0
            ? result
            : throw new InputException($"{source} has {extra.Length} tensors that are not part of a {config.Family} model of {config.Layers} layers, the first being {extra[0]}; the checkpoint is of another family or its configuration does not describe it.");
    }

    private static StoredTensor Check(string name, int[] shape, FileTensor tensor, string source)
    {
        if (!tensor.Shape.SequenceEqual(shape.Select(s => (long)s)))
            throw new InputException($"{source}: tensor {name} is [{string.Join(", ", tensor.Shape)}] but the configuration makes it [{string.Join(", ", shape)}]; configuration and weights do not belong together.");
        if (tensor.Type is not TensorType type)
            throw new InputException($"{source}: tensor {name} has type {tensor.TypeName}, and F32, F16 and BF16 can be read; convert the checkpoint.");
        return new StoredTensor(name, type, shape, tensor.Data, tensor.Bytes);
    }
}
