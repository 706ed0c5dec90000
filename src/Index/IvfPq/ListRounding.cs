using System.Numerics.Tensors;
using Retrieval.Index.Kernels;

namespace Retrieval.Index;

/// <summary>Writes what is known of lists, or of groups of lists, into the bytes of a <see cref="ListTable"/>.</summary>
internal static unsafe class ListRounding
{
    private const int Lanes = ListTable.PanelLists;

    /// <summary>Rounds centres to bytes, list by list, and replaces them with what the bytes say.</summary>
    /// <param name="centres">[lists, dim]</param>
    public static void RoundCentres(Span<float> centres, IvfPqCodec codec, ListTable table)
    {
        int dim = codec.Dim, lists = centres.Length / dim;
        for (int list = 0; list < lists; list++)
        {
            Span<float> centre = centres.Slice(list * dim, dim);
            float most = 0;
            for (int i = 0; i < dim; i++)
                most = MathF.Max(most, MathF.Abs(centre[i] - codec.CentreMiddle[i]) / codec.CentreScale[i]);
            ListScale* scale = table.Scales(list / Lanes) + list % Lanes;
            *scale = *scale with { Centre = ListScale.Above(most / 127) };
            float inverse = scale->Centre > 0 ? 1 / scale->OfCentre : 0;
            for (int i = 0; i < dim; i++)
            {
                sbyte rounded = (sbyte)Math.Clamp(MathF.Round((centre[i] - codec.CentreMiddle[i]) / codec.CentreScale[i] * inverse), -127, 127);
                table.Centres(list / Lanes)[ByteColumns.At(i, list % Lanes)] = rounded;
                centre[i] = codec.CentreMiddle[i] + codec.CentreScale[i] * (scale->OfCentre * rounded);
            }
        }
    }

    /// <summary>Rounds spreads to bytes, list by list.</summary>
    /// <param name="ratios">[bands, lists]: variances as multiples of what the codec expects.</param>
    public static void RoundSpread(ReadOnlySpan<float> ratios, ListTable table)
    {
        int lists = ratios.Length / IvfPqCodec.Bands;
        for (int list = 0; list < lists; list++)
        {
            float most = 0;
            for (int band = 0; band < IvfPqCodec.Bands; band++)
                most = MathF.Max(most, ratios[band * lists + list]);
            ListScale* scale = table.Scales(list / Lanes) + list % Lanes;
            *scale = *scale with { Spread = ListScale.Above(most / 127) };
            float inverse = scale->Spread > 0 ? 1 / scale->OfSpread : 0;
            for (int band = 0; band < IvfPqCodec.Bands; band++)
                table.Spread(list / Lanes)[ByteColumns.At(band, list % Lanes)] = (sbyte)Math.Min(127, MathF.Round(ratios[band * lists + list] * inverse));
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
