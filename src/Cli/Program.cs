using System.CommandLine;
using Retrieval.Cli;
using Retrieval.Cli.Verbs;

var terminal = new Terminal();
var root = new RootCommand("Lets ordinary language models read and generate with contexts of up to millions of tokens on one machine.");
root.Subcommands.Add(RunVerb.Create(terminal));
root.Subcommands.Add(ChatVerb.Create(terminal));
root.Subcommands.Add(DemoVerb.Create(terminal));
root.Subcommands.Add(TokenizeVerb.Create(terminal));
root.Subcommands.Add(ShowVerb.Create(terminal));
root.Subcommands.Add(DoctorVerb.Create(terminal));

// A prompt may begin with @ and flags have two letters: neither response files nor bundles of one-letter flags.
ParseResult parsed = root.Parse(args, new ParserConfiguration { ResponseFileTokenReplacer = null, EnablePosixBundling = false });
if (parsed.Errors.Count > 0)
{
    string verb = parsed.CommandResult.Command == root ? "" : " " + parsed.CommandResult.Command.Name;
    string message = parsed.UnmatchedTokens.Count > 0 ? $"there is no command or flag '{parsed.UnmatchedTokens[0]}'" : parsed.Errors[0].Message;
    terminal.Error.WriteLine($"retrieval: {message.TrimEnd('.')}. See `retrieval{verb} --help`.");
    return ExitCode.Usage;
}

// Ctrl-C belongs to the verbs, which end with what they have.
return parsed.Invoke(new InvocationConfiguration { EnableDefaultExceptionHandler = false, ProcessTerminationTimeout = null });
