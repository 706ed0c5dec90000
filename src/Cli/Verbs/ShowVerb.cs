using System.CommandLine;
namespace Retrieval.Cli.Verbs;
internal static class ShowVerb { public static Command Create(Terminal terminal) => new("show", "soon"); }
