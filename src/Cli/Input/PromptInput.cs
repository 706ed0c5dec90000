using Retrieval.Runtime;

namespace Retrieval.Cli;

/// <summary>The two parts of a prompt: a document, from a file or standard input, and a question.</summary>
internal sealed record PromptInput(string? Document, string? Question)
{
    /// <summary>
    /// -f gives the document, -p the question. Without -f a piped standard input is the document. Nothing at all is a
    /// usage error.
    /// </summary>
    public static PromptInput Read(string? prompt, string? file, Terminal terminal)
    {
        string? document = file switch
        {
            "-" => TextInput.ReadInput(terminal.Error),
            not null => TextInput.ReadFile(file),
            null when !Terminal.InputIsTerminal => NullIfEmpty(TextInput.ReadInput(terminal.Error)),
            null => null,
        };
        if (prompt is null && document is null)
            throw new UsageException("There is no prompt; give one with -p, a text file with -f, or pipe a text into standard input.");
        if (file is not null && string.IsNullOrWhiteSpace(document))
            throw new InputException($"{(file == "-" ? "Standard input" : $"'{file}'")} holds no text; give a text that is not empty.");
        if (document is null && string.IsNullOrWhiteSpace(prompt))
            throw new InputException("The prompt is empty; put some text after -p.");
        return new PromptInput(document, NullIfEmpty(prompt));
    }

    private static string? NullIfEmpty(string? text) => string.IsNullOrWhiteSpace(text) ? null : text;
}
