using Retrieval.Runtime.Models;
using Retrieval.Runtime.Text;

namespace Retrieval.Runtime;

/// <summary>Finds the tokenizer and the chat template that belong to a checkpoint.</summary>
internal static class ModelText
{
    public static (TextTokenizer Tokenizer, ChatTemplate? Template) Load(Checkpoint checkpoint)
    {
        TextTokenizer tokenizer;
        if (checkpoint.GgufMetadata is { } metadata)
            tokenizer = TextTokenizer.FromGguf(metadata);
        else if (checkpoint.Folder is { } folder && File.Exists(Path.Combine(folder, "tokenizer.json")))
            tokenizer = TextTokenizer.FromFolder(folder);
        else
            throw new InputException($"There is no tokenizer.json beside {checkpoint.Path}; put the model's own there.");
        if (tokenizer.VocabularySize > checkpoint.Config.Vocabulary)
            throw new InputException($"The tokenizer has {tokenizer.VocabularySize:N0} tokens but the model {checkpoint.Config.Vocabulary:N0}; they do not belong together.");
        return (tokenizer, tokenizer.ChatTemplateSource is { } source ? ChatTemplate.Parse(source) : null);
    }
}
