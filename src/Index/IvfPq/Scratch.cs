namespace Retrieval.Index;

/// <summary>Memory that a search reuses.</summary>
internal static class Scratch
{
    /// <summary>Makes room; what was there may be lost.</summary>
    public static void Grow<T>(ref T[] array, int length)
    {
        if (array.Length < length)
            array = new T[length + length / 4];
    }
}
