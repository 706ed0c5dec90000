using System.CommandLine;
using Retrieval.Cli.Flags;
using Retrieval.Evaluation;
using Retrieval.Runtime;
using Retrieval.Runtime.Policies;

namespace Retrieval.Cli.Verbs;

/// <summary><c>retrieval demo</c>: hides facts in a long text, reads it, asks for them, and shows what it cost.</summary>
internal static class DemoVerb
{
    /// <summary>Makes the text and the facts; the default of --seed.</summary>
    public const int DefaultSeed = 1;

    public static Command Create(Terminal terminal)
    {
        var command = new Command("demo", "Hide facts in a long text, read it, and ask for them.");
        Option<int> context = Flag.Of("--context", ["-c", "--ctx-size"], "Length of the whole prompt in tokens, such as 32k or 1m", 131072, Numbers.Tokens);
        Option<int> facts = Flag.Of("--facts", [], $"Facts to hide, each of another kind, at most {NeedleMaker.Kinds}", 10, value => Numbers.Int(value, 1, NeedleMaker.Kinds));
        Option<int?> sameKind = Flag.Of<int?>("--same-kind", [],
            $"Facts of one further kind to hide as well, {DemoText.SameKindAsked} of which are asked for (default {DemoText.UsualSameKind} in long texts)", null, value => Numbers.Int(value, 0));
        Option<int> seed = Flag.Of("--seed", ["-s"], "Seed of text and facts", DefaultSeed, value => Numbers.Int(value, 0));
        Option<string?> text = Flag.Text("--text", [], "UTF-8 text file to hide the facts in; default: prose made from the seed");
        Option<DocumentPosition?> position = PromptFlags.CreatePosition();
        Option<bool> json = Flag.Switch("--json", [], "Print one JSON document as the last line, all else to standard error");
        var model = new ModelFlags();
        var policy = new PolicyFlags();
        foreach (Option option in new Option[] { context, facts, sameKind, seed, text, position })
            command.Options.Add(option);
        model.AddTo(command, context: false);
        policy.AddTo(command);
        command.Options.Add(json);

        command.SetAction(parsed => Failure.Guard(terminal, () =>
        {
            int length = parsed.GetValue(context);
            EngineOptions options = model.Read(parsed, policy.Read(parsed), length);
            string? source = parsed.GetValue(text) is string path ? TextInput.ReadFile(path) : null;
            using var interrupt = new Interrupt();
            using Engine engine = Engine.Load(options);
            var form = new PromptForm(engine.Tokenizer, engine.ChatTemplate, parsed.GetValue(position) ?? PromptForm.PositionFor(engine.ModelName));
            var demo = new Demo(terminal, engine, form, parsed.GetValue(json), interrupt.Token);
            DemoReport report = demo.Run(new DemoText(length, parsed.GetValue(facts), parsed.GetValue(sameKind), parsed.GetValue(seed), source));
            if (parsed.GetValue(json))
                terminal.WriteJson(report);
            if (report.Interrupted)
                throw new OperationCanceledException(interrupt.Token);
            // Among facts of one kind the model itself errs: what counts is that full attention does no better.
            bool worse = report.SameKind is { FullCorrect: { } full } same && same.Correct < full;
            return report.Correct == report.Asked && !worse ? ExitCode.Success : ExitCode.Error;
        }));
        return command;
    }
}
