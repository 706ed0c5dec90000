using System.Runtime.InteropServices;

namespace Retrieval.Offload;

/// <summary>What the system may know about memory: madvise(2) on Linux, nothing elsewhere. Where it is refused all stays as it was.</summary>
public static unsafe partial class MemoryAdvice
{
    private const int DontNeed = 4, HugePages = 14, NoHugePages = 15;

    /// <summary>Whole pages of a mapped file will not be read soon: their memory is free until they are.</summary>
    public static void NotNeeded(void* start, nuint bytes) => Advise(start, bytes, DontNeed);

    /// <summary>Pages should be large, or small, from the first time that they are written to.</summary>
    public static void Pages(void* start, nuint bytes, bool large) => Advise(start, bytes, large ? HugePages : NoHugePages);

    private static void Advise(void* start, nuint bytes, int advice)
    {
        if (OperatingSystem.IsLinux())
            _ = SystemAdvise(start, bytes, advice);
    }

    [LibraryImport("libc", EntryPoint = "madvise")]
    private static partial int SystemAdvise(void* start, nuint bytes, int advice);
}
