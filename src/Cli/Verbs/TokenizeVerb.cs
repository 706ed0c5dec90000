using System.CommandLine;
using Retrieval.Cli.Flags;
using Retrieval.Runtime.Text;

namespace Retrieval.Cli.Verbs;

/// <summary><c>retrieval tokenize</c>: text on standard input, token ids on standard output.</summary>
internal static class TokenizeVerb
{
    public static Command Create(Terminal terminal)
    {
        var command = new Command("tokenize", "Turn the text on standard input into token ids.");
        Option<string?> model = Flag.Text("--model", ["-m"], "Model, or a tokenizer.json; default: the embedded recall-nano");
        Option<string?> file = Flag.Text("--prompt-file", ["-f"], "UTF-8 text file to read instead of standard input");
        Option<bool> special = Flag.Switch("--add-special", [], "Put the model's begin token before the text, if it has one");
        Option<bool> plain = Flag.Switch("--no-parse-special", [], "Treat special tokens in the text as ordinary text");
        Option<bool> pieces = Flag.Switch("--pieces", [], "Print one token a line: its id and its text");
        Option<bool> json = Flag.Switch("--json", [], "Print {\"ids\": [...]}");
        foreach (Option option in new Option[] { model, file, special, plain, pieces, json })
            command.Options.Add(option);

        command.SetAction(parsed => Failure.Guard(terminal, () =>
        {
            TextTokenizer tokenizer = ModelFiles.OpenTokenizer(parsed.GetValue(model) ?? EmbeddedModel.Require());
            string text = parsed.GetValue(file) is { } path and not "-" ? TextInput.ReadFile(path) : TextInput.ReadInput(terminal.Error);
            int[] ids = tokenizer.Encode(text, parsed.GetValue(special), !parsed.GetValue(plain));

            bool toJson = parsed.GetValue(json);
            if (parsed.GetValue(pieces))
            {
                foreach (int id in ids)
                    terminal.Human(toJson).WriteLine($"{id}\t{Json.Serialize(tokenizer.Decode([id]))}");
            }
            else if (!toJson)
            {
                terminal.Output.WriteLine(string.Join(' ', ids));
            }
            terminal.Error.WriteLine($"{Units.Count(ids.Length)} tokens, {Units.Count(text.Length)} characters");
            if (toJson)
                terminal.WriteJson(new { ids, count = ids.Length });
            return ExitCode.Success;
        }));
        return command;
    }
}
