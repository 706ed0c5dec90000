namespace Retrieval.Index;

/// <summary>
/// What a segment's lists are known by, in one piece of memory: first what their logits and masses come from, then their mean
/// values. Every part begins at a cache line.
/// </summary>
internal readonly unsafe struct ListTable(byte* start, int dim, int padded)
{
    private const int Line = 64;

    /// <summary>Lists rounded up to whole vectors: the stride of <see cref="Centres"/> and <see cref="Spread"/>.</summary>
    public int Padded => padded;

    /// <summary>[dim]</summary>
    public float* CentreScale => (float*)start;

    /// <summary>[dim]</summary>
    public float* CentreMiddle => CentreScale + Whole(dim);

    /// <summary>[bands]</summary>
    public float* SpreadScale => CentreMiddle + Whole(dim);

    /// <summary>[padded]: natural logarithm of a list's rows; −∞ in the padding.</summary>
    public float* LogCounts => SpreadScale + Whole(IvfPqCodec.Bands);

    /// <summary>[dim, padded]: centre of a list along an axis = CentreMiddle + CentreScale · byte.</summary>
    public sbyte* Centres => (sbyte*)(LogCounts + padded);

    /// <summary>[bands, padded]: variance of a list's residuals in a band, as a multiple of the codec's = SpreadScale · byte.</summary>
    public sbyte* Spread => Centres + WholeLines(dim * padded);

    /// <summary>[padded]</summary>
    public float* MeanScale => (float*)(Spread + WholeLines(IvfPqCodec.Bands * padded));

    /// <summary>[padded, dim]: mean value of a list = MeanScale · byte.</summary>
    public sbyte* Means => (sbyte*)(MeanScale + padded);

    /// <summary>Asks the memory for what the lists' scores are made of.</summary>
    public void PrefetchScores() => AlignedBytes.Prefetch(start, (byte*)MeanScale);

    public void PrefetchMeanScale() => AlignedBytes.Prefetch((byte*)MeanScale, (byte*)Means);

    /// <summary>Bytes of a table.</summary>
    public static int Bytes(int dim, int padded)
    {
        var table = new ListTable(null, dim, padded);
        return (int)(nint)(table.Means + WholeLines(dim * padded));
    }

    /// <summary>Lists in whole vectors.</summary>
    public static int Pad(int lists) => (lists + 15) / 16 * 16;

    private static int Whole(int floats) => WholeLines(floats * sizeof(float)) / sizeof(float);

    private static int WholeLines(int bytes) => (bytes + Line - 1) / Line * Line;
}

/// <summary>
/// Memory in which the tables of an index's segments lie one after another, so that a search finds the next one without asking
/// an object for it. Indexes share it until one of them writes past what all have.
/// </summary>
internal sealed unsafe class ListTables(int capacity)
{
    private readonly AlignedBytes _memory = new(capacity);
    private int _used;

    /// <summary>Valid while this object is reachable.</summary>
    public byte* Pointer => _memory.Pointer;

    /// <summary>Room for the table of one segment, which is to be filled.</summary>
    public static ListTables ForOne(int dim, int lists, out ListTable table)
    {
        int padded = ListTable.Pad(lists);
        var tables = new ListTables(ListTable.Bytes(dim, padded));
        table = new ListTable(tables.Pointer, dim, padded);
        return tables;
    }

    /// <summary>Bytes [start, start + length) of what was written.</summary>
    public Span<byte> Span(int start, int length) => _memory.Span.Slice(start, length);

    /// <summary>Makes the bytes behind the first <paramref name="end"/> the caller's.</summary>
    /// <returns>False: they are somebody else's, or not there.</returns>
    public bool Claim(int end, int length)
    {
        if (_used != end || end + length > _memory.Length)
            return false;
        _used += length;
        return true;
    }
}
