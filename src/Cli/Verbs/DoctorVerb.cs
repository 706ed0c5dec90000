using System.CommandLine;
using Retrieval.Cli.Flags;

namespace Retrieval.Cli.Verbs;

/// <summary><c>retrieval doctor</c>: whether this machine has what the program needs, and how fast its memory is.</summary>
internal static class DoctorVerb
{
    public static Command Create(Terminal terminal)
    {
        var command = new Command("doctor", "Check libtorch, processor and memory; exit code 1 if something needed is missing.");
        Option<string?> libtorch = ModelFlags.CreateLibtorch();
        Option<bool> json = Flag.Switch("--json", [], "Print one JSON document as the last line, all else to standard error");
        command.Options.Add(libtorch);
        command.Options.Add(json);

        command.SetAction(parsed => Failure.Guard(terminal, () =>
        {
            var report = DoctorReport.Examine(parsed.GetValue(libtorch));
            bool toJson = parsed.GetValue(json);
            report.Write(terminal.Human(toJson));
            if (toJson)
                terminal.WriteJson(report);
            return report.Healthy ? ExitCode.Success : ExitCode.Error;
        }));
        return command;
    }
}
