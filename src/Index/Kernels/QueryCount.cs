namespace Retrieval.Index.Kernels;

/// <summary>How many queries a loop takes at a time, known when it is compiled: what is for others is left out.</summary>
internal interface IQueryCount
{
    static abstract int Count { get; }
}

internal readonly struct OneQuery : IQueryCount
{
    public static int Count => 1;
}

internal readonly struct TwoQueries : IQueryCount
{
    public static int Count => 2;
}

internal readonly struct ThreeQueries : IQueryCount
{
    public static int Count => 3;

    /// <summary>How many of a group to take at once, of those that are left: threes, but of four two and two.</summary>
    public static int Of(int left) => left == Count + 1 ? 2 : Math.Min(left, Count);
}
