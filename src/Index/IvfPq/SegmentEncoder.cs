using System.Numerics.Tensors;
using Retrieval.Index.Kernels;

namespace Retrieval.Index;

/// <summary>Turns clustered rows into a segment: sorts them list after list, rounds the centres, encodes what remains.</summary>
internal static unsafe class SegmentEncoder
{
    public static IvfPqSegment Encode(ClusteredRows rows, IvfPqCodec codec, IKeyRows values)
    {
        int dim = rows.Dim, count = rows.Count;
        (ushort[] order, int[] starts) = rows.Sort();
        int lists = starts.Length - 1;
        float[] sorted = Sorted(rows, order);
        var centres = ListMeans(sorted, starts, dim);
        ListTables tables = ListTables.ForOne(dim, lists, out ListTable table);
        RoundCentres(centres, lists, dim, table);
        SubtractCentres(sorted, starts, centres, dim);
        Spread(sorted, starts, codec, table);
        LogCounts(starts, table);
        ListValueEncoder.Encode(values, rows.First, order, starts, table);
        int[] blocks = BlockStarts(starts);
        return new IvfPqSegment
        {
            First = rows.First,
            Count = count,
            Lists = lists,
            Order = order,
            ListStarts = starts,
            BlockStarts = blocks,
            Tables = tables,
            Codes = Codes(sorted, starts, blocks, codec),
        };
    }

    private static float[] Sorted(ClusteredRows rows, ushort[] order)
    {
        float[] sorted = GC.AllocateUninitializedArray<float>(rows.Count * rows.Dim);
        for (int place = 0; place < order.Length; place++)
            rows.Row(order[place]).CopyTo(sorted.AsSpan(place * rows.Dim));
        return sorted;
    }

    private static float[] ListMeans(float[] sorted, int[] starts, int dim)
    {
        var means = new float[(starts.Length - 1) * dim];
        for (int list = 0; list < starts.Length - 1; list++)
        {
            Span<float> mean = means.AsSpan(list * dim, dim);
            for (int r = starts[list]; r < starts[list + 1]; r++)
                TensorPrimitives.Add(mean, sorted.AsSpan(r * dim, dim), mean);
            TensorPrimitives.Multiply(mean, 1f / (starts[list + 1] - starts[list]), mean);
        }
        return means;
    }

    /// <summary>Rounds centres to bytes, axis by axis, and replaces them with what the bytes say.</summary>
    private static void RoundCentres(float[] centres, int lists, int dim, ListTable table)
    {
        float* scale = table.CentreScale, middle = table.CentreMiddle;
        for (int i = 0; i < dim; i++)
        {
            float low = float.PositiveInfinity, high = float.NegativeInfinity;
            for (int list = 0; list < lists; list++)
            {
                low = MathF.Min(low, centres[list * dim + i]);
                high = MathF.Max(high, centres[list * dim + i]);
            }
            middle[i] = (low + high) / 2;
            scale[i] = (high - low) / 254;
            float inverse = scale[i] > 0 ? 1 / scale[i] : 0;
            sbyte* target = table.Centres + i * table.Padded;
            for (int list = 0; list < lists; list++)
            {
                sbyte rounded = (sbyte)Math.Clamp(MathF.Round((centres[list * dim + i] - middle[i]) * inverse), -127, 127);
                target[list] = rounded;
                centres[list * dim + i] = middle[i] + scale[i] * rounded;
            }
        }
    }

    private static void SubtractCentres(float[] sorted, int[] starts, float[] centres, int dim)
    {
        for (int list = 0; list < starts.Length - 1; list++)
        {
            ReadOnlySpan<float> centre = centres.AsSpan(list * dim, dim);
            for (int r = starts[list]; r < starts[list + 1]; r++)
                TensorPrimitives.Subtract(sorted.AsSpan(r * dim, dim), centre, sorted.AsSpan(r * dim, dim));
        }
    }

    private static void Spread(float[] residuals, int[] starts, IvfPqCodec codec, ListTable table)
    {
        int dim = codec.Dim, lists = starts.Length - 1;
        var ratio = new float[IvfPqCodec.Bands * lists];
        var squares = new float[dim];
        for (int list = 0; list < lists; list++)
        {
            Array.Clear(squares);
            for (int r = starts[list]; r < starts[list + 1]; r++)
            {
                ReadOnlySpan<float> row = residuals.AsSpan(r * dim, dim);
                TensorPrimitives.MultiplyAdd(row, row, squares, squares);
            }
            for (int band = 0; band < IvfPqCodec.Bands; band++)
            {
                int first = codec.BandStarts[band], width = codec.BandStarts[band + 1] - first;
                float expected = TensorPrimitives.Sum<float>(codec.Variances.AsSpan(first, width));
                float found = TensorPrimitives.Sum<float>(squares.AsSpan(first, width)) / (starts[list + 1] - starts[list]);
                ratio[band * lists + list] = expected > 0 ? found / expected : 0;
            }
        }
        float* scale = table.SpreadScale;
        for (int band = 0; band < IvfPqCodec.Bands; band++)
        {
            ReadOnlySpan<float> ratios = ratio.AsSpan(band * lists, lists);
            scale[band] = TensorPrimitives.Max(ratios) / 127;
            float inverse = scale[band] > 0 ? 1 / scale[band] : 0;
            for (int list = 0; list < lists; list++)
                table.Spread[band * table.Padded + list] = (sbyte)Math.Min(127, MathF.Round(ratios[list] * inverse));
        }
    }

    /// <summary>Logarithms of the lists' sizes, −∞ in the padding.</summary>
    public static void LogCounts(int[] starts, ListTable table)
    {
        for (int list = 0; list < table.Padded; list++)
            table.LogCounts[list] = list < starts.Length - 1 ? MathF.Log(starts[list + 1] - starts[list]) : float.NegativeInfinity;
    }

    /// <summary>First block of each list and, last, the number of blocks.</summary>
    public static int[] BlockStarts(int[] starts)
    {
        var blocks = new int[starts.Length];
        for (int list = 0; list < starts.Length - 1; list++)
            blocks[list + 1] = blocks[list] + (starts[list + 1] - starts[list] + IvfPqSegment.BlockRows - 1) / IvfPqSegment.BlockRows;
        return blocks;
    }

    private static AlignedBytes Codes(float[] residuals, int[] starts, int[] blocks, IvfPqCodec codec)
    {
        const int BlockRows = IvfPqSegment.BlockRows;
        int dim = codec.Dim, subspaces = codec.Quantizer.Subspaces, blockBytes = CodeScan.BlockBytes(subspaces);
        var bytes = new AlignedBytes(blocks[^1] * blockBytes);
        float[] columns = new float[BlockRows * dim];
        var codes = new int[BlockRows * subspaces];
        byte* target = bytes.Pointer;
        fixed (float* source = residuals, column = columns)
        fixed (int* code = codes)
        {
            for (int list = 0; list < starts.Length - 1; list++)
            {
                for (int r = starts[list]; r < starts[list + 1]; r += BlockRows, target += blockBytes)
                {
                    int some = Math.Min(BlockRows, starts[list + 1] - r);
                    if (some < BlockRows)
                        Array.Clear(columns);
                    Transpose.Apply(source + (long)r * dim, some, dim, column, BlockRows);
                    codec.Quantizer.Encode(column, BlockRows, code, null);
                    for (int s = 0; s < subspaces; s++)
                    {
                        for (int i = 0; i < some; i++)
                            target[CodeScan.CodeOffset(s, i)] |= (byte)(CodeScan.IsUpper(s) ? code[s * BlockRows + i] << 4 : code[s * BlockRows + i]);
                    }
                }
            }
        }
        return bytes;
    }
}
