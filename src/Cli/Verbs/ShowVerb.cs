using System.CommandLine;
using Retrieval.Cli.Flags;
using Retrieval.Runtime.Models;

namespace Retrieval.Cli.Verbs;

/// <summary><c>retrieval show</c>: what a model is made of, without loading it.</summary>
internal static class ShowVerb
{
    public static Command Create(Terminal terminal)
    {
        var command = new Command("show", "Describe a model: architecture, tensors, size of its KV cache.");
        var model = new ModelFlags();
        Option<bool> json = Flag.Switch("--json", [], "Print one JSON document as the last line, all else to standard error");
        model.AddConfigurationTo(command);
        command.Options.Add(json);

        command.SetAction(parsed => Failure.Guard(terminal, () =>
        {
            (string path, Dictionary<string, string> overrides) = model.ReadConfiguration(parsed);
            using var checkpoint = Checkpoint.Open(path, overrides);
            var report = ModelReport.From(checkpoint);
            bool toJson = parsed.GetValue(json);
            report.Write(terminal.Human(toJson));
            if (toJson)
                terminal.WriteJson(report);
            return ExitCode.Success;
        }));
        return command;
    }
}
