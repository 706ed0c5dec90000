using System.Globalization;

namespace Retrieval.Cli;

/// <summary>Main memory in bytes, as far as this process may use it.</summary>
internal static class SystemMemory
{
    /// <summary>The machine's memory, or the container's limit if that is lower.</summary>
    public static long Total => GC.GetGCMemoryInfo().TotalAvailableMemoryBytes;

    /// <summary>What Linux says can be had without swapping; elsewhere what the garbage collector believes.</summary>
    public static long Available => Math.Min(Total, FromProc("MemAvailable:") ?? Total);

    private static long? FromProc(string name)
    {
        const string Path = "/proc/meminfo";
        if (!File.Exists(Path))
            return null;
        string? line = File.ReadLines(Path).FirstOrDefault(line => line.StartsWith(name, StringComparison.Ordinal));
        string? kibibytes = line?[name.Length..].Trim().Split(' ')[0];
        return long.TryParse(kibibytes, NumberStyles.None, CultureInfo.InvariantCulture, out long value) ? value * 1024 : null;
    }
}
