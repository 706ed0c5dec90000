using System.Numerics.Tensors;
using Retrieval.Index.Kernels;

namespace Retrieval.Index;

/// <summary>Writes what is known of lists, or of groups of lists, into the bytes of a <see cref="ListTable"/>.</summary>
internal static unsafe class ListRounding
{
    private const int Lanes = ListTable.PanelLists;

    /// <summary>Rounds centres to bytes, axis by axis, and replaces them with what the bytes say.</summary>
    /// <param name="centres">[lists, dim]</param>
    public static void RoundCentres(Span<float> centres, int dim, ListTable table)
    {
        float* scale = table.CentreScale, middle = table.CentreMiddle;
        int lists = centres.Length / dim;
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
            for (int list = 0; list < lists; list++)
            {
                sbyte rounded = (sbyte)Math.Clamp(MathF.Round((centres[list * dim + i] - middle[i]) * inverse), -127, 127);
                table.Centres(list / Lanes)[ByteColumns.At(i, list % Lanes)] = rounded;
                centres[list * dim + i] = middle[i] + scale[i] * rounded;
            }
        }
    }

    /// <summary>Rounds spreads to bytes, band by band.</summary>
    /// <param name="ratios">[bands, lists]: variances as multiples of what the codec expects.</param>
    public static void RoundSpread(ReadOnlySpan<float> ratios, ListTable table)
    {
        int lists = ratios.Length / IvfPqCodec.Bands;
        for (int band = 0; band < IvfPqCodec.Bands; band++)
        {
            ReadOnlySpan<float> own = ratios.Slice(band * lists, lists);
            float scale = table.SpreadScale[band] = TensorPrimitives.Max(own) / 127, inverse = scale > 0 ? 1 / scale : 0;
            for (int list = 0; list < lists; list++)
                table.Spread(list / Lanes)[ByteColumns.At(band, list % Lanes)] = (sbyte)Math.Min(127, MathF.Round(own[list] * inverse));
        }
    }

    /// <summary>Rounds the mean value of one list to bytes.</summary>
    public static void RoundMean(ReadOnlySpan<float> mean, int list, ListTable table)
    {
        float scale = MathF.Abs(TensorPrimitives.MaxMagnitude(mean)) / 127, inverse = scale > 0 ? 1 / scale : 0;
        table.MeanScale(list / Lanes)[list % Lanes] = scale;
        sbyte* target = table.Means(list / Lanes) + list % Lanes * mean.Length;
        for (int i = 0; i < mean.Length; i++)
            target[i] = (sbyte)Math.Clamp(MathF.Round(mean[i] * inverse), -127, 127);
    }

    /// <summary>Logarithms of the lists' rows, −∞ in the padding.</summary>
    public static void LogCounts(ReadOnlySpan<float> counts, ListTable table)
    {
        for (int list = 0; list < table.Panels * Lanes; list++)
            table.LogCounts(list / Lanes)[list % Lanes] = list < counts.Length ? MathF.Log(counts[list]) : float.NegativeInfinity;
    }
}
