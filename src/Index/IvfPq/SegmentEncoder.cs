using System.Buffers;
using System.Numerics.Tensors;
using Retrieval.Index.Kernels;

namespace Retrieval.Index;

/// <summary>Turns clustered rows into a segment: sorts them list after list, rounds the centres, encodes what remains.</summary>
internal static unsafe class SegmentEncoder
{
    private const int BlockRows = IvfPqSegment.BlockRows;

    public static IvfPqSegment Encode(ClusteredRows rows, IvfPqCodec codec, IKeyRows values)
    {
        SortedRows sorted = rows.Sort();
        int[] blocks = BlockStarts(sorted.Starts);
        ListTables tables = ListTables.ForOne(rows.Dim, sorted.Lists, out ListTable table);
        var codes = new AlignedBytes(blocks[^1] * CodeScan.BlockBytes(codec.Quantizer.Subspaces));
        EncodeResiduals(rows, sorted, Centres(rows, sorted, codec, table), codec, table, codes.Pointer);
        Lay(sorted.Starts, blocks, table);
        ListValueEncoder.Encode(values, rows, sorted, table);
        return new IvfPqSegment
        {
            First = rows.First,
            Count = rows.Count,
            Lists = sorted.Lists,
            Order = sorted.Order,
            ListStarts = sorted.Starts,
            BlockStarts = blocks,
            Tables = tables,
            Codes = codes,
        };
    }

    /// <summary>Centres of the lists as the table's bytes have them.</summary>
    private static float[] Centres(ClusteredRows rows, SortedRows sorted, IvfPqCodec codec, ListTable table)
    {
        var centres = new float[sorted.Lists * rows.Dim];
        for (int list = 0; list < sorted.Lists; list++)
            rows.Centroid(sorted.Clusters[list]).CopyTo(centres.AsSpan(list * rows.Dim));
        ListRounding.RoundCentres(centres, codec, table);
        return centres;
    }

    /// <summary>Spread and codes of what the centres leave, list after list.</summary>
    private static void EncodeResiduals(ClusteredRows rows, SortedRows sorted, float[] centres, IvfPqCodec codec, ListTable table, byte* codes)
    {
        int dim = rows.Dim, subspaces = codec.Quantizer.Subspaces, longest = 0;
        for (int list = 0; list < sorted.Lists; list++)
            longest = Math.Max(longest, sorted.Starts[list + 1] - sorted.Starts[list]);
        float[] residuals = ArrayPool<float>.Shared.Rent(CodeScan.Blocks(longest) * BlockRows * dim), ratios = new float[IvfPqCodec.Bands * sorted.Lists];
        float* columns = stackalloc float[BlockRows * dim];
        int* code = stackalloc int[BlockRows * subspaces];
        for (int list = 0; list < sorted.Lists; list++)
        {
            ReadOnlySpan<ushort> members = sorted.Order.AsSpan(sorted.Starts[list]..sorted.Starts[list + 1]);
            for (int i = 0; i < members.Length; i++)
                rows.Residual(members[i], centres.AsSpan(list * dim, dim), residuals.AsSpan(i * dim, dim));
            Spread(residuals.AsSpan(0, members.Length * dim), codec, ratios.AsSpan(list), sorted.Lists);
            int blocks = CodeScan.Blocks(members.Length);
            residuals.AsSpan(members.Length * dim, (blocks * BlockRows - members.Length) * dim).Clear();
            fixed (float* residual = residuals)
            {
                for (int block = 0; block < blocks; block++, codes += CodeScan.BlockBytes(subspaces))
                {
                    Transpose.Apply(residual + block * BlockRows * dim, BlockRows, dim, columns, BlockRows);
                    codec.Quantizer.Encode(columns, BlockRows, code, null);
                    CodePack.Store(code, subspaces, codes);
                }
            }
        }
        ArrayPool<float>.Shared.Return(residuals);
        ListRounding.RoundSpread(ratios, table);
    }

    /// <summary>How widely the residuals of a list spread in each band, as a multiple of what the codec expects.</summary>
    /// <param name="ratios">The list's of each band are <paramref name="stride"/> apart.</param>
    private static void Spread(ReadOnlySpan<float> residuals, IvfPqCodec codec, Span<float> ratios, int stride)
    {
        int dim = codec.Dim, rows = residuals.Length / dim;
        Span<float> squares = stackalloc float[dim];
        squares.Clear();
        for (int r = 0; r < rows; r++)
        {
            ReadOnlySpan<float> row = residuals.Slice(r * dim, dim);
            TensorPrimitives.MultiplyAdd(row, row, squares, squares);
        }
        for (int band = 0; band < IvfPqCodec.Bands; band++)
        {
            int first = codec.BandStarts[band], width = codec.BandStarts[band + 1] - first;
            float expected = TensorPrimitives.Sum<float>(codec.Variances.AsSpan(first, width)), found = TensorPrimitives.Sum<float>(squares.Slice(first, width)) / rows;
            ratios[band * stride] = expected > 0 ? found / expected : 0;
        }
    }

    /// <summary>Where lists begin, and the logarithms of their sizes.</summary>
    public static void Lay(int[] starts, int[] blocks, ListTable table)
    {
        var counts = new float[starts.Length - 1];
        for (int list = 0; list < counts.Length; list++)
        {
            counts[list] = starts[list + 1] - starts[list];
            // Segments have 65,536 rows at most, and lists at least one.
            table.Places(list / ListTable.PanelLists)[list % ListTable.PanelLists] = new ListPlace(checked((ushort)starts[list]), checked((ushort)blocks[list]));
        }
        ListRounding.LogCounts(counts, table);
    }

    /// <summary>First block of each list and, last, the number of blocks.</summary>
    public static int[] BlockStarts(int[] starts)
    {
        var blocks = new int[starts.Length];
        for (int list = 0; list < starts.Length - 1; list++)
            blocks[list + 1] = blocks[list] + CodeScan.Blocks(starts[list + 1] - starts[list]);
        return blocks;
    }
}
