using Retrieval.Runtime;
using Retrieval.Runtime.Models;
using Retrieval.Runtime.Text;

namespace Retrieval.Cli;

/// <summary>Opens parts of a model without loading it.</summary>
internal static class ModelFiles
{
    /// <summary>The tokenizer of a model folder, a .safetensors or .gguf file, or a tokenizer.json.</summary>
    public static TextTokenizer OpenTokenizer(string path)
    {
        if (Directory.Exists(path))
            return TextTokenizer.FromFolder(path);
        if (!File.Exists(path))
            throw new InputException($"There is no model '{path}'; give a folder, a .safetensors, .gguf or tokenizer.json file.");
        return Path.GetExtension(path).ToLowerInvariant() switch
        {
            ".json" => TextTokenizer.FromTokenizerJson(path),
            ".safetensors" => TextTokenizer.FromFolder(Path.GetDirectoryName(Path.GetFullPath(path))!),
            ".gguf" => OpenGguf(path),
            _ => throw new InputException($"'{path}' is no model that can be read; give a folder, a .safetensors, .gguf or tokenizer.json file."),
        };
    }

    private static TextTokenizer OpenGguf(string path)
    {
        using var checkpoint = Checkpoint.Open(path);
        return TextTokenizer.FromGguf(checkpoint.GgufMetadata!);
    }
}
