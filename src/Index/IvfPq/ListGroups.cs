using System.Buffers;
using System.Numerics;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using Retrieval.Index.Kernels;

namespace Retrieval.Index;

/// <summary>
/// The panels of an index's lists, each summed up like one large list: a group. Where there are many lists a search scores groups first and looks
/// only into those that matter (lists of lists). Computed from the lists' tables, never stored. A group's number is that of its panel.
/// </summary>
internal sealed unsafe class ListGroups
{
    // Scoring fewer lists one by one takes a few microseconds.
    private const int LeastPanels = 64;

    private const int Lanes = ListTable.PanelLists;

    private readonly ListTables _tables;

    private ListGroups(int dim, int count)
    {
        _tables = ListTables.ForOne(dim, count, out ListTable table);
        Table = table;
        Lists = new float[Padded];
    }

    /// <summary>[Padded]: lists of each group.</summary>
    public float[] Lists { get; }

    /// <summary>Lists of all groups.</summary>
    public int AllLists { get; private set; }

    /// <summary>Lists are groups here. Valid while this object is reachable.</summary>
    public ListTable Table { get; }

    /// <summary>Groups in whole panels.</summary>
    public int Padded => Table.Panels * Lanes;

    public long Bytes => _tables.Bytes;

    /// <returns>Null: there are so few lists that groups are not worth while, or it is a sharp head, whose lists say little.</returns>
    public static ListGroups? Of(IvfPqIndex index)
    {
        int count = index.ListSizes.Length / Lanes;
        return count < LeastPanels || index.Codec.Sharp ? null : Build(index, count);
    }

    private static ListGroups Build(IvfPqIndex index, int count)
    {
        int dim = index.Codec.Dim;
        var groups = new ListGroups(dim, count);
        float[] centres = ArrayPool<float>.Shared.Rent(count * dim), ratios = ArrayPool<float>.Shared.Rent(IvfPqCodec.Bands * count), rows = ArrayPool<float>.Shared.Rent(count);
        var mean = new float[dim];
        for (int group = 0; group < count; group++)
        {
            Vector512<float> sizes = Vector512.LoadUnsafe(ref MemoryMarshal.GetArrayDataReference(index.ListSizes), (nuint)(group * Lanes));
            rows[group] = Vector512.Sum(sizes);
            groups.Lists[group] = BitOperations.PopCount(Vector512.GreaterThan(sizes, Vector512<float>.Zero).ExtractMostSignificantBits());
            groups.AllLists += (int)groups.Lists[group];
            Vector512<float> shares = sizes / rows[group];
            SumUp(index.Codec, index.Lists, group, shares, centres.AsSpan(group * dim, dim), ratios.AsSpan(group), count);
            Mean(index.Lists, group, shares, mean);
            ListRounding.RoundMean(mean, group, groups.Table);
        }
        ListRounding.RoundCentres(centres.AsSpan(0, count * dim), index.Codec, groups.Table);
        ListRounding.RoundSpread(ratios.AsSpan(0, IvfPqCodec.Bands * count), groups.Table);
        ListRounding.LogCounts(rows.AsSpan(0, count), groups.Table);
        ArrayPool<float>.Shared.Return(centres);
        ArrayPool<float>.Shared.Return(ratios);
        ArrayPool<float>.Shared.Return(rows);
        return groups;
    }

    /// <summary>Centre of a group's rows and their spread around it: that inside the lists and that of the lists' centres.</summary>
    /// <param name="shares">Of the group's rows, list by list.</param>
    /// <param name="ratios">Spread of each band as a multiple of what the codec expects in a list, <paramref name="stride"/> apart.</param>
    private static void SumUp(IvfPqCodec codec, ListTable lists, int panel, Vector512<float> shares, Span<float> centre, Span<float> ratios, int stride)
    {
        sbyte* centres = lists.Centres(panel), spread = lists.Spread(panel);
        (Vector512<float> ofCentres, Vector512<float> ofSpreads) = ListScale.OfPanel(lists.Scales(panel));
        for (int band = 0; band < IvfPqCodec.Bands; band++)
        {
            float expected = 0, between = 0;
            for (int i = codec.BandStarts[band]; i < codec.BandStarts[band + 1]; i++)
            {
                Vector512<float> scaled = ByteColumns.Axis(centres, i) * ofCentres;
                float mean = Vector512.Sum(scaled * shares), square = Vector512.Sum(scaled * scaled * shares), scale = codec.CentreScale[i];
                centre[i] = codec.CentreMiddle[i] + scale * mean;
                between += scale * scale * MathF.Max(square - mean * mean, 0);
                expected += codec.Variances[i];
            }
            float inside = Vector512.Sum(ByteColumns.Axis(spread, band) * ofSpreads * shares);
            ratios[band * stride] = expected > 0 ? inside + between / expected : 0;
        }
    }

    /// <summary>Mean value of a group's rows.</summary>
    private static void Mean(ListTable lists, int panel, Vector512<float> shares, float[] mean)
    {
        float* weights = stackalloc float[Lanes];
        int* offsets = stackalloc int[Lanes];
        (shares * Vector512.Load(lists.MeanScale(panel))).Store(weights);
        (Vector512<int>.Indices * mean.Length).Store(offsets);
        Array.Clear(mean);
        fixed (float* output = mean)
            WeightedByteRows.Accumulate(lists.Means(panel), offsets, Lanes, mean.Length, weights, Lanes, 1, output);
    }
}
