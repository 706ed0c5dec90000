using System.CommandLine;
namespace Retrieval.Cli.Verbs;
internal static class DoctorVerb { public static Command Create(Terminal terminal) => new("doctor", "soon"); }
