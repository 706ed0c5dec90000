namespace Retrieval.Runtime.Text.Jinja;

internal static class TemplateError
{
    /// <summary>A refusal of the template or of what it does with the messages.</summary>
    public static InputException At(int line, string problem) =>
        new($"Chat template, line {line}: {problem}; correct the template, give another one or send a plain prompt.");
}
