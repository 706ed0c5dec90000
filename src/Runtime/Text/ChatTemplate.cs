using Retrieval.Runtime.Text.Jinja;

namespace Retrieval.Runtime.Text;

/// <summary>One turn of a conversation.</summary>
/// <param name="Role">system, user, assistant or what else the template knows.</param>
/// <param name="Content">The text, as it is.</param>
public sealed record ChatMessage(string Role, string Content);

/// <summary>
/// A chat template: the part of Jinja that templates of Hugging Face models use, with the settings they are rendered with
/// there. Immutable and thread-safe. Time and size of a rendering are bounded, so a template from anywhere is safe to run.
/// </summary>
public sealed class ChatTemplate
{
    private const int LongestSource = 1 << 20;

    private readonly IReadOnlyList<Statement> _body;

    private readonly TimeProvider _clock;

    private ChatTemplate(IReadOnlyList<Statement> body, TimeProvider clock) => (_body, _clock) = (body, clock);

    /// <summary>Parses a template.</summary>
    /// <param name="source">Jinja source.</param>
    /// <param name="clock">What strftime_now reads; default the system's local time.</param>
    /// <exception cref="InputException">Something in it is not supported; the message has its name and line.</exception>
    public static ChatTemplate Parse(string source, TimeProvider? clock = null)
    {
        if (source.Length > LongestSource)
            throw new InputException($"The chat template has {source.Length:N0} characters where {LongestSource:N0} are the most; give another one.");
        return new ChatTemplate(TemplateParser.Parse(source), clock ?? TimeProvider.System);
    }

    /// <summary>The prompt text of a conversation.</summary>
    /// <param name="messages">The conversation; the template sees role and content.</param>
    /// <param name="addGenerationPrompt">End with the beginning of the assistant's turn.</param>
    /// <param name="variables">
    /// Further names, such as bos_token, eos_token, tools or enable_thinking: null, bool, numbers, text, lists, maps with text
    /// keys, or JSON. They win over the standard names. tools and documents are none unless given.
    /// </param>
    /// <exception cref="InputException">The template refuses the messages, or does something that is not supported.</exception>
    public string Render(IReadOnlyList<ChatMessage> messages, bool addGenerationPrompt, IReadOnlyDictionary<string, object?>? variables = null)
    {
        Dictionary<string, object?> names = Globals.Create(_clock);
        names["messages"] = messages.Select(m => (object?)Values.Map([("role", m.Role), ("content", m.Content)])).ToList();
        names["add_generation_prompt"] = addGenerationPrompt;
        names["tools"] = null;
        names["documents"] = null;
        foreach ((string name, object? value) in variables ?? new Dictionary<string, object?>())
            names[name] = Values.FromHost(value);
        return new Evaluator().Render(_body, names);
    }
}
