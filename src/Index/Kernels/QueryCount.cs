namespace Retrieval.Index.Kernels;

/// <summary>How many queries a loop takes at a time, known when it is compiled: what is for others is left out.</summary>
internal interface IQueryCount
{
    static abstract int Count { get; }
}

/// <summary>How a group is cut into what loops take.</summary>
internal static class QueryCount
{
    /// <summary>How many to take next, of those that are left: threes, which registers have room for, but of four two and two.</summary>
    public static int Next(int left) => left == 4 ? 2 : Math.Min(left, 3);
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
}
