using System.Runtime.InteropServices;

namespace Retrieval.Scenarios;

/// <summary>Processor and cores, for results that are kept.</summary>
internal static class MachineName
{
    public static string Describe() => $"{Processor()}, {Environment.ProcessorCount} cores";

    private static string Processor()
    {
        const string Info = "/proc/cpuinfo";
        string? line = File.Exists(Info) ? File.ReadLines(Info).FirstOrDefault(line => line.StartsWith("model name", StringComparison.Ordinal)) : null;
        return line is null ? RuntimeInformation.ProcessArchitecture.ToString() : line[(line.IndexOf(':') + 1)..].Trim();
    }
}
