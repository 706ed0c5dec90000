using System.CommandLine;
using Retrieval.Evaluation;
using Retrieval.Runtime;

namespace Retrieval.Cli.Flags;

/// <summary>What the model is given, and in which form.</summary>
internal sealed class PromptFlags
{
    private readonly Option<string?> _prompt = Flag.Text("--prompt", ["-p"], "Question or instruction");
    private readonly Option<string?> _file = Flag.Text("--prompt-file", ["-f"], "UTF-8 text file to read before the prompt; -: standard input");
    private readonly Option<string?> _system = Flag.Text("--system", ["-sys"], "System message");
    private readonly Option<string> _template = Flag.Choice("--chat-template", [], "Put the prompt into the model's chat template, if it has one", "on", ("on", "on"), ("off", "off"));
    private readonly Option<bool> _raw = Flag.Switch("--raw", [], "The same as --chat-template off");
    private readonly Option<DocumentPosition?> _position = CreatePosition();

    public static Option<DocumentPosition?> CreatePosition() => Flag.Choice<DocumentPosition?>("--document-position", [],
        "The text stands before the user's turn or in it; auto: before for recall-nano, else in", null,
        ("auto", null), ("before-turn", DocumentPosition.BeforeTurn), ("in-turn", DocumentPosition.InTurn));

    /// <param name="question">False where questions come from the terminal.</param>
    public void AddTo(Command command, bool question = true)
    {
        if (question)
            command.Options.Add(_prompt);
        foreach (Option option in new Option[] { _file, _system, _template, _raw, _position })
            command.Options.Add(option);
    }

    public string? Prompt(ParseResult parsed) => parsed.GetValue(_prompt);

    public string? File(ParseResult parsed) => parsed.GetValue(_file);

    public PromptForm Form(ParseResult parsed, Engine engine)
    {
        bool templated = parsed.GetValue(_template) == "on" && !parsed.GetValue(_raw) && engine.ChatTemplate is not null;
        string? system = parsed.GetValue(_system);
        if (system is not null && !templated)
            throw new UsageException("--system needs the model's chat template, which is off or missing; put the text into --prompt instead.");
        DocumentPosition position = parsed.GetValue(_position) ?? PromptForm.PositionFor(engine.ModelName);
        return new PromptForm(engine.Tokenizer, templated ? engine.ChatTemplate : null, position, system);
    }
}
