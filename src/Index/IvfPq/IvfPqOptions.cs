using Retrieval.Index.Kernels;

namespace Retrieval.Index;

/// <summary>How an <see cref="IvfPqIndex"/> is built.</summary>
public sealed record IvfPqOptions
{
    /// <summary>Places are 16-bit.</summary>
    public const int MostSegmentRows = 65536;

    // Codes of a sharp head for each eight axes. Measured on recall-nano: 8 lose 4.5, 1.8, 11.5 and 2.4 squared nats of four heads,
    // 6 lose 4.6, 1.8, 12.6 and 2.7, 5 lose 5.0, 1.9, 15.9 and 3.4, 4 lose 6.3, 2.4, 28.3 and 5.5; the usual 2 lose 28.6, 10.7, 113 and 22.2.
    private const int SharpCodesPerOctet = 5;

    /// <summary>Rows that are clustered together; default 8,192, at most <see cref="MostSegmentRows"/>.</summary>
    public int SegmentRows { get; init; } = 8192;

    /// <summary>Rows of a list on average; default 64.</summary>
    public int RowsPerList { get; init; } = 64;

    /// <summary>Passes of k-means; default 6.</summary>
    public int Iterations { get; init; } = 6;

    /// <summary>Axes for each 4-bit code on average; default 4: 8 bytes a row of 64.</summary>
    public int AxesPerCode { get; init; } = 4;

    /// <summary>Codes of a row of that many elements: a multiple of 8, as they are scanned.</summary>
    /// <param name="sharp">Of a head whose usual codes would say too little, see <see cref="IvfPqCodec.Sharp"/>.</param>
    internal int Subspaces(int dim, bool sharp = false)
    {
        int usual = WholeOctets((dim + AxesPerCode - 1) / AxesPerCode);
        return sharp ? Math.Max(usual, WholeOctets((dim * SharpCodesPerOctet + CodeScan.Octet - 1) / CodeScan.Octet)) : usual;
    }

    /// <summary>Throws if a value is out of its range.</summary>
    public void Validate()
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(SegmentRows, 16);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(SegmentRows, MostSegmentRows);
        ArgumentOutOfRangeException.ThrowIfLessThan(RowsPerList, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(Iterations, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(AxesPerCode, 1);
    }

    private static int WholeOctets(int codes) => (codes + CodeScan.Octet - 1) / CodeScan.Octet * CodeScan.Octet;
}
