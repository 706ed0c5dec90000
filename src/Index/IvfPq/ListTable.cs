using Retrieval.Index.Kernels;

namespace Retrieval.Index;

/// <summary>
/// What a segment's lists are known by: what their logits and masses come from, and their mean values. Every part begins at a
/// cache line.
/// </summary>
/// <param name="scores"><see cref="ListBytes.Scores"/> bytes.</param>
/// <param name="values"><see cref="ListBytes.Values"/> bytes.</param>
internal readonly unsafe struct ListTable(byte* scores, byte* values, int dim, int padded)
{
    private const int Line = 64;

    /// <summary>Lists rounded up to whole vectors: the stride of <see cref="Centres"/> and <see cref="Spread"/>.</summary>
    public int Padded => padded;

    /// <summary>[dim]</summary>
    public float* CentreScale => (float*)scores;

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
    public float* MeanScale => (float*)values;

    /// <summary>[padded, dim]: mean value of a list = MeanScale · byte.</summary>
    public sbyte* Means => (sbyte*)(MeanScale + padded);

    private sbyte* ScoresEnd => Spread + WholeLines(IvfPqCodec.Bands * padded);

    private sbyte* ValuesEnd => Means + WholeLines(dim * padded);

    /// <summary>Asks the memory for what the lists' scores are made of.</summary>
    public void PrefetchScores() => CacheLines.Prefetch(scores, (byte*)ScoresEnd);

    public void PrefetchMeanScale() => CacheLines.Prefetch((byte*)MeanScale, (byte*)Means);

    /// <summary>What a table takes.</summary>
    public static ListBytes Bytes(int dim, int padded)
    {
        var table = new ListTable(null, null, dim, padded);
        return new ListBytes((int)(nint)table.ScoresEnd, (int)(nint)table.ValuesEnd);
    }

    /// <summary>Lists in whole vectors.</summary>
    public static int Pad(int lists) => (lists + 15) / 16 * 16;

    private static int Whole(int floats) => WholeLines(floats * sizeof(float)) / sizeof(float);

    private static int WholeLines(int bytes) => (bytes + Line - 1) / Line * Line;
}

/// <summary>Bytes of lists, or where some lists' bytes begin: those that every search reads, and the mean values.</summary>
internal readonly record struct ListBytes(int Scores, int Values)
{
    public int Total => Scores + Values;

    public static ListBytes operator +(ListBytes left, ListBytes right) => new(left.Scores + right.Scores, left.Values + right.Values);

    public static ListBytes operator -(ListBytes left, ListBytes right) => new(left.Scores - right.Scores, left.Values - right.Values);
}

/// <summary>
/// Memory in which the tables of an index's segments lie one after another, so that a search finds the next one without asking
/// an object for it. What it reads of all lists lies together, because the time of reading something once is that of its pages.
/// Indexes share the memory until one of them writes past what all have.
/// </summary>
internal sealed unsafe class ListTables(ListBytes capacity)
{
    private readonly AlignedBytes _scores = new(capacity.Scores), _values = new(capacity.Values);
    private ListBytes _used;

    /// <summary>Room for the table of one segment, which is to be filled.</summary>
    public static ListTables ForOne(int dim, int lists, out ListTable table)
    {
        int padded = ListTable.Pad(lists);
        var tables = new ListTables(ListTable.Bytes(dim, padded));
        table = tables.Table(default, dim, padded);
        return tables;
    }

    /// <summary>Valid while this object is reachable.</summary>
    public ListTable Table(ListBytes start, int dim, int padded) => new(_scores.Pointer + start.Scores, _values.Pointer + start.Values, dim, padded);

    /// <summary>Bytes of what was written that a search reads of all lists.</summary>
    public Span<byte> Scores(ListBytes start, ListBytes length) => _scores.Span.Slice(start.Scores, length.Scores);

    /// <summary>Bytes of mean values that were written.</summary>
    public Span<byte> Values(ListBytes start, ListBytes length) => _values.Span.Slice(start.Values, length.Values);

    /// <summary>Makes the bytes behind the first <paramref name="end"/> the caller's.</summary>
    /// <returns>False: they are somebody else's, or not there.</returns>
    public bool Claim(ListBytes end, ListBytes length)
    {
        if (_used != end || end.Scores + length.Scores > _scores.Length || end.Values + length.Values > _values.Length)
            return false;
        _used += length;
        return true;
    }
}
