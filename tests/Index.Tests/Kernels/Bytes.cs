namespace Retrieval.Index.Tests.Kernels;

/// <summary>Seeded random bytes.</summary>
internal static class Bytes
{
    /// <summary>Every signed byte, −128 included, which no kernel writes and all must read.</summary>
    public static sbyte[] Random(int length, int seed)
    {
        var random = new Random(seed);
        var bytes = new byte[length];
        random.NextBytes(bytes);
        return Array.ConvertAll(bytes, b => (sbyte)b);
    }
}
