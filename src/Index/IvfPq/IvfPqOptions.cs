using Retrieval.Index.Kernels;

namespace Retrieval.Index;

/// <summary>How an <see cref="IvfPqIndex"/> is built.</summary>
public sealed record IvfPqOptions
{
    /// <summary>Places are 16-bit.</summary>
    public const int MostSegmentRows = 65536;

    /// <summary>Rows that are clustered together; default 8,192, at most <see cref="MostSegmentRows"/>.</summary>
    public int SegmentRows { get; init; } = 8192;

    /// <summary>Rows of a list on average; default 64.</summary>
    public int RowsPerList { get; init; } = 64;

    /// <summary>Passes of k-means; default 6.</summary>
    public int Iterations { get; init; } = 6;

    /// <summary>Axes for each 4-bit code on average; default 4: 8 bytes a row of 64.</summary>
    public int AxesPerCode { get; init; } = 4;

    /// <summary>Codes of a row of that many elements: a multiple of 8, as they are scanned.</summary>
    internal int Subspaces(int dim) => (dim + CodeScan.Octet * AxesPerCode - 1) / (CodeScan.Octet * AxesPerCode) * CodeScan.Octet;

    /// <summary>Throws if a value is out of its range.</summary>
    public void Validate()
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(SegmentRows, 16);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(SegmentRows, MostSegmentRows);
        ArgumentOutOfRangeException.ThrowIfLessThan(RowsPerList, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(Iterations, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(AxesPerCode, 1);
    }
}
