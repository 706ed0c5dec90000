using System.Globalization;

namespace Retrieval.Runtime;

/// <summary>Main memory in bytes, as far as this process may use it.</summary>
public static class HostMemory
{
    /// <summary>The machine's memory, or the container's limit if that is lower.</summary>
    public static long Total => GC.GetGCMemoryInfo().TotalAvailableMemoryBytes;

    /// <summary>What Linux says can be had without swapping; elsewhere what the garbage collector believes.</summary>
    public static long Available => Math.Min(Total, FromProc("MemAvailable:") ?? Total);

    /// <summary>Refuses work that cannot fit, before it begins: the kernel's way of refusing is to end the process, hours later.</summary>
    /// <exception cref="InsufficientMemoryException">More is needed than is available; the message has both numbers.</exception>
    public static void Demand(long bytes, string purpose) => Demand(bytes, Available, purpose, "");

    /// <param name="parts">What the bytes are made of, for the message.</param>
    internal static void Demand(long bytes, long available, string purpose, string parts)
    {
        if (bytes > available)
            throw new InsufficientMemoryException(FormattableString.Invariant($"{purpose} needs {bytes / 1e9:F1} GB of host memory{parts} and {available / 1e9:F1} GB are available"));
    }

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
