using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Retrieval.Index.Kernels;

namespace Retrieval.Index;

/// <summary>
/// What some lists are known by: what their logits and masses come from, and their mean values. They stand in panels of sixteen, so that
/// what is read of one panel lies together; the last panel may have padding. Every part begins at a cache line.
/// </summary>
/// <param name="scores"><see cref="ListBytes.Scores"/> bytes.</param>
/// <param name="values"><see cref="ListBytes.Values"/> bytes.</param>
internal readonly unsafe struct ListTable(byte* scores, byte* values, int dim, int panels)
{
    /// <summary>Lists of a panel: the elements of a vector.</summary>
    public const int PanelLists = ByteColumns.Lanes;

    private const int Line = 64;

    public int Panels => panels;

    /// <summary>From one panel's centres, or spreads, to the next one's.</summary>
    public int ScoreStride => PanelLists * (sizeof(float) + sizeof(ListPlace) + sizeof(ListScale)) + WholeLines(CentreBytes) + PanelLists * IvfPqCodec.Bands;

    /// <summary>From one panel's mean values, or their scales, to the next one's.</summary>
    public int ValueStride => PanelLists * sizeof(float) + WholeLines(PanelLists * dim);

    /// <summary>[16]: natural logarithm of a list's rows; −∞ in the padding.</summary>
    public float* LogCounts(int panel) => (float*)(scores + (long)panel * ScoreStride);

    /// <summary>[16]: where lists begin in their segment.</summary>
    public ListPlace* Places(int panel) => (ListPlace*)(LogCounts(panel) + PanelLists);

    /// <summary>[16]: what the bytes of lists are worth.</summary>
    public ListScale* Scales(int panel) => (ListScale*)(Places(panel) + PanelLists);

    /// <summary>Bytes of a panel's centres.</summary>
    public int CentreBytes => PanelLists * ByteColumns.Even(dim);

    /// <summary>A panel of <see cref="ByteColumns"/>: centre of a list along an axis = the codec's middle + its scale · the list's · byte.</summary>
    public sbyte* Centres(int panel) => (sbyte*)(Scales(panel) + PanelLists);

    /// <summary>Another, of bands: variance of a list's residuals in a band, as a multiple of the codec's = the list's scale · byte.</summary>
    public sbyte* Spread(int panel) => Centres(panel) + WholeLines(CentreBytes);

    /// <summary>[16]</summary>
    public float* MeanScale(int panel) => (float*)(values + (long)panel * ValueStride);

    /// <summary>[16, dim]: mean value of a list = MeanScale · byte.</summary>
    public sbyte* Means(int panel) => (sbyte*)(MeanScale(panel) + PanelLists);

    /// <summary>Asks the memory for what a panel's scores are made of.</summary>
    public void PrefetchScores(int panel) => CacheLines.Prefetch((byte*)LogCounts(panel), (byte*)LogCounts(panel + 1));

    public void PrefetchMeanScale(int panel) => CacheLines.Prefetch((byte*)MeanScale(panel), (byte*)Means(panel));

    /// <summary>What a table takes.</summary>
    public static ListBytes Bytes(int dim, int panels)
    {
        var table = new ListTable(null, null, dim, panels);
        return new ListBytes((int)(nint)table.LogCounts(panels), (int)(nint)table.MeanScale(panels));
    }

    /// <summary>Panels of so many lists.</summary>
    public static int PanelsOf(int lists) => (lists + PanelLists - 1) / PanelLists;

    private static int WholeLines(int bytes) => (bytes + Line - 1) / Line * Line;
}

/// <summary>Where a list begins in its segment.</summary>
/// <param name="Row">Place of its first row.</param>
/// <param name="Block">Its first block of codes.</param>
internal readonly record struct ListPlace(ushort Row, ushort Block);

/// <summary>What the bytes of a list are worth: two floats of which only the upper halves are kept, so that sixteen lists' fill a cache line.</summary>
/// <param name="Centre">Of its centre, see <see cref="ListTable.Centres"/>.</param>
/// <param name="Spread">Of its spread.</param>
internal readonly record struct ListScale(ushort Centre, ushort Spread)
{
    // The largest whose upper half is finite.
    private const int LargestBits = 0x7F7F;

    private const float LeastNormal = 1.17549435e-38f;

    public float OfCentre => Float(Centre);

    public float OfSpread => Float(Spread);

    /// <summary>Neither is infinite, nor negative.</summary>
    public bool IsValid => Centre <= LargestBits && Spread <= LargestBits;

    /// <summary>
    /// The upper half of a number of at least 0, rounded up, so that nothing that it scales exceeds its bytes; 0 of what is less than floats have all
    /// digits for, and the largest there is of what is beyond.
    /// </summary>
    public static ushort Above(float scale)
        => scale < LeastNormal ? (ushort)0 : (ushort)Math.Min(BitConverter.SingleToUInt32Bits(scale) + 0xFFFF >> 16, LargestBits);

    /// <summary>The scales of a panel's lists.</summary>
    /// <param name="scales">[16]</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static unsafe (Vector512<float> Centres, Vector512<float> Spreads) OfPanel(ListScale* scales)
    {
        Vector512<int> both = Vector512.Load((int*)scales);
        return ((both << 16).AsSingle(), (both & Vector512.Create(unchecked((int)0xFFFF0000))).AsSingle());
    }

    private static float Float(ushort upper) => BitConverter.Int32BitsToSingle(upper << 16);
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

    public long Bytes => _scores.Length + _values.Length;

    /// <summary>Room for the table of one segment, which is to be filled.</summary>
    public static ListTables ForOne(int dim, int lists, out ListTable table)
    {
        int panels = ListTable.PanelsOf(lists);
        var tables = new ListTables(ListTable.Bytes(dim, panels));
        table = tables.Table(default, dim, panels);
        return tables;
    }

    /// <summary>Valid while this object is reachable.</summary>
    public ListTable Table(ListBytes start, int dim, int panels) => new(_scores.Pointer + start.Scores, _values.Pointer + start.Values, dim, panels);

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
