using System.CommandLine;
namespace Retrieval.Cli.Verbs;
internal static class ChatVerb { public static Command Create(Terminal terminal) => new("chat", "soon"); }
