using Retrieval.Index.Kernels;

namespace Retrieval.Index;

/// <summary>
/// The payload of an <see cref="IvfPqIndex"/>: for each part a method that writes it and one that reads it, field by field in the
/// same order. What follows from other fields (blocks, places and logarithms of lists, bands) is computed again, so it cannot contradict them.
/// </summary>
internal static unsafe class IvfPqFormat
{
    // Far beyond what is of use; keeps a forged file from making the next segment endless.
    private const int MostIterations = 10_000;

    // What a byte of a centre is worth at most: logits must stay floats.
    private const float MostOfCentre = 1e28f;

    public static void Write(IndexWriter writer, IvfPqIndex index)
    {
        Write(writer, index.Options);
        Write(writer, index.Codec);
        writer.Write(index.Segments.Count);
        foreach (IvfPqSegment segment in index.Segments)
            Write(writer, segment, index.Codec.Dim);
    }

    /// <summary>Reads an index whose segments follow one another within [First, First + Count).</summary>
    public static IvfPqIndex Read(IndexReader reader, IndexShape shape)
    {
        IvfPqOptions options = ReadOptions(reader, shape.Dim);
        IvfPqCodec codec = ReadCodec(reader, shape.Dim, options);
        var index = new IvfPqIndex(codec, options);
        int count = reader.ReadInt(0, shape.Count, "number of segments"), first = shape.First;
        var segments = new List<IvfPqSegment>();
        for (int s = 0; s < count; s++)
        {
            segments.Add(ReadSegment(reader, codec, first, shape.First + shape.Count - first));
            first += segments[^1].Count;
        }
        index.Add([.. segments]);
        return index;
    }

    public static void Write(IndexWriter writer, IvfPqOptions options)
    {
        writer.Write(options.SegmentRows);
        writer.Write(options.RowsPerList);
        writer.Write(options.Iterations);
        writer.Write(options.AxesPerCode);
    }

    public static IvfPqOptions ReadOptions(IndexReader reader, int dim)
    {
        var options = new IvfPqOptions
        {
            SegmentRows = reader.ReadInt(16, IvfPqOptions.MostSegmentRows, "rows of a segment"),
            RowsPerList = reader.ReadInt(1, int.MaxValue, "rows of a list"),
            Iterations = reader.ReadInt(1, MostIterations, "iterations"),
            AxesPerCode = reader.ReadInt(1, IndexFile.MostDim, "axes of a code"),
        };
        return options.Subspaces(dim) <= CodeScan.MostSubspaces
            ? options : throw IndexReader.Error($"a row has {options.Subspaces(dim)} codes and can have {CodeScan.MostSubspaces}");
    }

    public static void Write(IndexWriter writer, QueryMoments moments)
    {
        writer.Write(moments.Count);
        writer.Write(moments.Sum);
    }

    public static QueryMoments ReadMoments(IndexReader reader, int dim)
    {
        int count = reader.ReadInt(0, int.MaxValue, "number of queries");
        return QueryMoments.FromParts(dim, count, reader.ReadFloats((long)dim * dim, "moments of the queries"));
    }

    private static void Write(IndexWriter writer, IvfPqCodec codec)
    {
        writer.Write<float>(codec.KeyTransform);
        writer.Write<float>(codec.QueryTransform);
        writer.Write<float>(codec.Variances);
        writer.Write(codec.Sharp ? 1 : 0);
        writer.Write<int>(codec.Quantizer.Starts);
        foreach (float[] codebook in codec.Quantizer.Codebooks)
            writer.Write<float>(codebook);
        writer.Write<float>(codec.CodeNoise);
        writer.Write<float>(codec.CentreMiddle);
        writer.Write<float>(codec.CentreScale);
        writer.Write<float>(codec.ValueCovariance);
        writer.Write<float>(codec.ValueMean);
        writer.Write(codec.ValueSpread);
        writer.Write(codec.ValueVariance);
    }

    private static IvfPqCodec ReadCodec(IndexReader reader, int dim, IvfPqOptions options)
    {
        long square = (long)dim * dim;
        float[] keys = reader.ReadFloats(square, "key transform"), queries = reader.ReadFloats(square, "query transform");
        float[] variances = reader.ReadFloats(dim, "variances", 0);
        bool sharp = reader.ReadInt(0, 1, "mark of a sharp head") == 1;
        int subspaces = options.Subspaces(dim, sharp);
        if (subspaces > CodeScan.MostSubspaces)
            throw IndexReader.Error($"a row has {subspaces} codes and can have {CodeScan.MostSubspaces}");
        int[] starts = reader.ReadStarts(subspaces, dim, false, "axes of codes");
        var codebooks = new float[starts.Length - 1][];
        for (int s = 0; s < codebooks.Length; s++)
            codebooks[s] = reader.ReadFloats(ProductQuantizer.Centroids * (long)(starts[s + 1] - starts[s]), "codebook");
        float[] noise = reader.ReadFloats(dim, "code noise", 0);
        var centres = new CentreRange(reader.ReadFloats(dim, "middles of centres"), reader.ReadFloats(dim, "scales of centres", CentreRange.Least));
        float[] covariance = reader.ReadFloats(square, "value covariance"), mean = reader.ReadFloats(dim, "mean of values");
        var values = new ValueStatistics(covariance, mean, reader.ReadFloats(1, "spread of values", 0)[0], reader.ReadFloats(1, "variance of values", 0)[0]);
        return IvfPqCodec.FromParts(dim, keys, queries, variances, ProductQuantizer.FromParts(dim, starts, codebooks), noise, centres, values, sharp);
    }

    private static void Write(IndexWriter writer, IvfPqSegment segment, int dim)
    {
        ListTable table = segment.Table(dim);
        writer.Write(segment.Count);
        writer.Write(segment.Lists);
        writer.Write<ushort>(segment.Order);
        writer.Write<int>(segment.ListStarts);
        for (int panel = 0; panel < table.Panels; panel++)
        {
            writer.Write(new ReadOnlySpan<ListScale>(table.Scales(panel), ListTable.PanelLists));
            writer.Write(new ReadOnlySpan<sbyte>(table.Centres(panel), table.CentreBytes));
            writer.Write(new ReadOnlySpan<sbyte>(table.Spread(panel), ListTable.PanelLists * IvfPqCodec.Bands));
            writer.Write(new ReadOnlySpan<float>(table.MeanScale(panel), ListTable.PanelLists));
            writer.Write(new ReadOnlySpan<sbyte>(table.Means(panel), ListTable.PanelLists * dim));
        }
        writer.Write<byte>(segment.Codes.Span);
    }

    private static IvfPqSegment ReadSegment(IndexReader reader, IvfPqCodec codec, int first, int most)
    {
        int dim = codec.Dim, count = reader.ReadInt(1, Math.Min(most, IvfPqOptions.MostSegmentRows), "rows of a segment"), lists = reader.ReadInt(1, count, "lists of a segment");
        ushort[] order = ReadPermutation(reader, count);
        int[] starts = reader.ReadStarts(lists, count, true, "list starts"), blocks = SegmentEncoder.BlockStarts(starts);
        ListTables tables = ListTables.ForOne(dim, lists, out ListTable table);
        SegmentEncoder.Lay(starts, blocks, table);
        for (int panel = 0; panel < table.Panels; panel++)
        {
            ReadScales(reader, table.Scales(panel), MostOfCentre / codec.CentreScale.Max());
            ReadSigned(reader, table.Centres(panel), table.CentreBytes, "centres");
            ReadSpread(reader, table.Spread(panel));
            ReadFloats(reader, table.MeanScale(panel), ListTable.PanelLists, "scales of mean values", 0);
            ReadSigned(reader, table.Means(panel), ListTable.PanelLists * dim, "mean values");
        }
        AlignedBytes codes = reader.ReadAligned((long)blocks[^1] * CodeScan.BlockBytes(codec.Quantizer.Subspaces), "codes");
        return new IvfPqSegment
        {
            First = first,
            Count = count,
            Lists = lists,
            Order = order,
            ListStarts = starts,
            BlockStarts = blocks,
            Tables = tables,
            Codes = codes,
        };
    }

    private static ushort[] ReadPermutation(IndexReader reader, int count)
    {
        ushort[] order = reader.ReadArray<ushort>(count, "order of rows");
        var seen = new bool[count];
        foreach (ushort row in order)
        {
            if (row >= count || seen[row])
                throw IndexReader.Error($"row {row} of a segment of {count} is out of range or stands twice in the order");
            seen[row] = true;
        }
        return order;
    }

    /// <param name="most">Of a centre.</param>
    private static void ReadScales(IndexReader reader, ListScale* scales, float most)
    {
        ListScale[] read = reader.ReadArray<ListScale>(ListTable.PanelLists, "scales of lists");
        foreach (ListScale scale in read)
        {
            if (!scale.IsValid || scale.OfCentre > most)
                throw IndexReader.Error($"scales of lists hold {scale.OfCentre} and {scale.OfSpread}");
        }
        read.CopyTo(new Span<ListScale>(scales, ListTable.PanelLists));
    }

    /// <summary>Variances are read as signed bytes, and none is negative.</summary>
    private static void ReadSpread(IndexReader reader, sbyte* spread)
    {
        const int Count = ListTable.PanelLists * IvfPqCodec.Bands;
        ReadSigned(reader, spread, Count, "spreads");
        foreach (sbyte value in new ReadOnlySpan<sbyte>(spread, Count))
        {
            if (value < 0)
                throw IndexReader.Error($"spreads hold {value}");
        }
    }

    private static void ReadSigned(IndexReader reader, sbyte* target, int count, string name)
        => reader.ReadArray<sbyte>(count, name).CopyTo(new Span<sbyte>(target, count));

    private static void ReadFloats(IndexReader reader, float* target, int count, string name, float least)
        => reader.ReadFloats(count, name, least).CopyTo(new Span<float>(target, count));
}
