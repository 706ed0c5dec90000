using System.CommandLine;
using Retrieval.Runtime;
using Retrieval.Scenarios;
using Retrieval.Scenarios.Divergence;
using Retrieval.Scenarios.Frontier;
using Retrieval.Scenarios.Positions;
using Retrieval.Scenarios.Prefill;

var root = new RootCommand("End-to-end measurements and checks; each prints a table and, with --json, one JSON document as the last line.");
root.Subcommands.Add(DivergenceScenario.Create());
root.Subcommands.Add(FrontierScenario.Create());
root.Subcommands.Add(DecodeScenario.Create());
root.Subcommands.Add(NeedlesScenario.Create());
root.Subcommands.Add(NeedleTableScenario.Create());
root.Subcommands.Add(PeerScenario.Create());
root.Subcommands.Add(PerplexityScenario.Create());
root.Subcommands.Add(PositionsScenario.Create());
root.Subcommands.Add(PrefillScenario.Create());
root.Subcommands.Add(ReadsScenario.Create());
root.Subcommands.Add(SteadyScenario.Create());

try
{
    ParseResult parsed = root.Parse(args, new ParserConfiguration { ResponseFileTokenReplacer = null });
    return parsed.Invoke(new InvocationConfiguration { EnableDefaultExceptionHandler = false });
}
catch (Exception problem) when (problem is InputException or IOException or UnauthorizedAccessException)
{
    Console.Error.WriteLine($"scenarios: {problem.Message}");
    return 1;
}
