using System.Runtime.Intrinsics.X86;

namespace Retrieval.Index.Kernels;

/// <summary>Memory that will be read soon.</summary>
public static unsafe class CacheLines
{
    private const int Line = 64;

    /// <summary>Asks the memory for the lines of [from, to). A hint: nothing happens where the processor has none, or where there is no memory.</summary>
    public static void Prefetch(byte* from, byte* to)
    {
        for (from -= (nint)from % Line; Sse.IsSupported && from < to; from += Line)
            Sse.Prefetch0(from);
    }
}
