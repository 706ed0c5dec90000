using Retrieval.Runtime;
using Retrieval.Runtime.Text;

namespace Retrieval.Evaluation;

/// <summary>Where a document stands that a question is asked about.</summary>
public enum DocumentPosition
{
    /// <summary>In the user's turn, before the question and an empty line: what chat models expect.</summary>
    InTurn,

    /// <summary>Before the first turn, outside the chat template: for models that were trained on text followed by questions.</summary>
    BeforeTurn,
}

/// <summary>
/// Turns a document and a question into a prompt. With a chat template the question (and, unless it stands before the turn,
/// the document) is a user turn; without one the parts are joined by an empty line.
/// </summary>
/// <param name="tokenizer">The model's tokenizer.</param>
/// <param name="template">The model's chat template; null: none, or not wanted.</param>
/// <param name="position">Where the document stands; of no effect without a template.</param>
/// <param name="system">System message; null: none.</param>
public sealed class PromptForm(TextTokenizer tokenizer, ChatTemplate? template, DocumentPosition position, string? system = null)
{
    /// <summary>Stands for the document while a template is rendered; a private-use character that no text should contain.</summary>
    private const string DocumentMark = "\uE000";

    public DocumentPosition Position => position;

    /// <summary>The position that suits a model: the embedded recall-nano was trained on text followed by turns.</summary>
    public static DocumentPosition PositionFor(string modelName) =>
        modelName.Contains("recall-nano", StringComparison.OrdinalIgnoreCase) ? DocumentPosition.BeforeTurn : DocumentPosition.InTurn;

    /// <summary>Token ids of document and question in one prompt; either may be null, not both.</summary>
    public int[] Whole(string? document, string? question)
    {
        if (template is null)
            return tokenizer.Encode(Join(document, question), addSpecial: true);
        if (document is null || question is null || position == DocumentPosition.InTurn)
            return tokenizer.Encode(Render([new ChatMessage("user", Join(document, question))]), addSpecial: false);
        return tokenizer.Encode(document + Render([new ChatMessage("user", question)]), addSpecial: true);
    }

    /// <summary>Token ids up to the end of the document, to be read once for many questions.</summary>
    public int[] Head(string document) => tokenizer.Encode(HeadText(document), addSpecial: template is null || position == DocumentPosition.BeforeTurn);

    /// <summary>Token ids that ask a question after <see cref="Head"/>.</summary>
    public int[] Tail(string question) => tokenizer.Encode(TailText(question), addSpecial: false);

    /// <summary>Throws if there is no chat template, without which there are no turns.</summary>
    public void RequireTemplate()
    {
        if (template is null)
            throw new InputException("The model has no chat template, or it is off, so it cannot chat; use `retrieval run` or a model with a template.");
    }

    /// <summary>A conversation as text, ready for the assistant's answer; the document, if any, belongs to its first message.</summary>
    public string Conversation(string? document, IReadOnlyList<ChatMessage> messages)
    {
        RequireTemplate();
        if (document is null)
            return Render(messages);
        return position == DocumentPosition.BeforeTurn
            ? document + Render(messages)
            : Render([messages[0] with { Content = Join(document, messages[0].Content) }, .. messages.Skip(1)]);
    }

    /// <summary>True if the begin token is added to a <see cref="Conversation"/>, false if the template writes it.</summary>
    public bool ConversationAddsSpecial(string? document) => document is not null && position == DocumentPosition.BeforeTurn;

    private string HeadText(string document) => template is null || position == DocumentPosition.BeforeTurn ? document : Around("?").Before + document;

    private string TailText(string question) => template is null
        ? "\n\n" + question + "\n"
        : position == DocumentPosition.BeforeTurn ? Render([new ChatMessage("user", question)]) : Around(question).After;

    private (string Before, string After) Around(string question)
    {
        string rendered = Render([new ChatMessage("user", DocumentMark + "\n\n" + question)]);
        int mark = rendered.IndexOf(DocumentMark, StringComparison.Ordinal);
        if (mark < 0)
            throw new InputException("The model's chat template changes the user's text; use --document-position before-turn or --chat-template off.");
        return (rendered[..mark], rendered[(mark + DocumentMark.Length)..]);
    }

    private string Render(IReadOnlyList<ChatMessage> messages)
    {
        IReadOnlyList<ChatMessage> all = system is null ? messages : [new ChatMessage("system", system), .. messages];
        return template!.Render(all, addGenerationPrompt: true, Variables());
    }

    /// <summary>Templates write the special tokens that begin and end a conversation by these names.</summary>
    private Dictionary<string, object?> Variables() => new()
    {
        ["bos_token"] = tokenizer.BosText ?? "",
        ["eos_token"] = tokenizer.EosText ?? "",
    };

    private static string Join(string? document, string? question) =>
        document is null ? question! : question is null ? document : document.TrimEnd() + "\n\n" + question;
}
