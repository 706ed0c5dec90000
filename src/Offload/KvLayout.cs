namespace Retrieval.Offload;

/// <summary>
/// Where a row lies: the only shape arithmetic over KV memory. A page holds <see cref="RowsPerPage"/> tokens of one layer;
/// inside it, head after head, first the head's keys and then its values, each [RowsPerPage, HeadDim], so that the rows of
/// one head are one contiguous run.
/// </summary>
/// <param name="Layers">Layers of the model.</param>
/// <param name="KvHeads">KV heads of a layer.</param>
/// <param name="HeadDim">Elements of a key or value row.</param>
/// <param name="Format">How packed rows are stored; rows in pages are 16-bit.</param>
public sealed record KvLayout(int Layers, int KvHeads, int HeadDim, RowFormat Format = RowFormat.I8)
{
    /// <summary>Tokens of a page; a power of two.</summary>
    public const int RowsPerPage = 512;

    /// <summary>Bytes of a key row in a page, and of a value row.</summary>
    public int RowBytes => 2 * HeadDim;

    /// <summary>Bytes of a packed key row, and of a packed value row.</summary>
    public int PackedRowBytes => Format switch
    {
        RowFormat.F16 => 2 * HeadDim,
        RowFormat.I8 => HeadDim + sizeof(ushort),
        _ => throw new ArgumentOutOfRangeException(nameof(Format), Format, "Unknown row format."),
    };

    public long PageBytes => 2L * KvHeads * RowsPerPage * RowBytes;

    /// <summary>Bytes of one token in the pages of all layers.</summary>
    public long TokenBytes => 2L * Layers * KvHeads * RowBytes;

    internal static int PageOf(int row) => row / RowsPerPage;

    internal long KeyOffset(int head, int row) => (2L * head * RowsPerPage + row % RowsPerPage) * RowBytes;

    internal long ValueOffset(int head, int row) => ((2L * head + 1) * RowsPerPage + row % RowsPerPage) * RowBytes;
}
