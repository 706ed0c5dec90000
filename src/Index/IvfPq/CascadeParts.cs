namespace Retrieval.Index;

/// <summary>Cuts rows or lists into parts for several threads: of a size that is worth a thread's while, and not too many of them.</summary>
internal static class RowParts
{
    private const int Most = 64;

    /// <summary>Items of each part but the last.</summary>
    public static int Size(int count, int least) => Math.Max(least, (count + Most * least - 1) / (Most * least) * least);

    public static int Count(int count, int least) => (count + Size(count, least) - 1) / Size(count, least);

    public static (int Begin, int End) Of(int count, int least, int part)
    {
        int size = Size(count, least);
        return (part * size, Math.Min(count, (part + 1) * size));
    }
}
