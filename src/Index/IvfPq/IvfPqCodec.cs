using System.Numerics.Tensors;
using Retrieval.Index.Kernels;

namespace Retrieval.Index;

/// <summary>
/// What all segments of one KV head share: the coordinates in which lists and codes are kept and the quantiser of the residuals.
/// A key's coordinates are z = Eᵀ Aᵀ k and a query's x = Eᵀ A⁻¹ q, with A from <see cref="QueryMetric"/> and E the
/// eigenvectors of the covariance that keys have around their lists' centres; so x · z = q · k, and axes fall in importance.
/// </summary>
internal sealed class IvfPqCodec
{
    /// <summary>Groups of axes whose variance a list keeps apart.</summary>
    public const int Bands = 8;

    // Squared nats: codes whose logits err by a factor of twenty do not tell rows apart. Measured: 0.1 to 2.7 on the heads of an
    // ordinary small model, 1 to 6 on another's, 13 to 131 on those of a model trained to find facts.
    private const float SharpNoise = 10;

    private IvfPqCodec(int dim, float[] keyTransform, float[] queryTransform, float[] variances, ProductQuantizer quantizer, float[] codeNoise, CentreRange centres, ValueStatistics values, bool sharp)
    {
        Dim = dim;
        KeyTransform = keyTransform;
        QueryTransform = queryTransform;
        Variances = variances;
        Quantizer = quantizer;
        CodeNoise = codeNoise;
        Sharp = sharp;
        (CentreMiddle, CentreScale) = centres;
        ValueCovariance = values.Covariance;
        ValueMean = values.Mean;
        ValueSpread = values.Spread;
        ValueVariance = values.Variance;
        BandStarts = ChooseBands(variances);
    }

    public int Dim { get; }

    /// <summary>
    /// Are logits spread so widely that codes of the usual size would say nothing? Then there are five codes for eight axes, one each
    /// for those that matter most, and every search reads the codes of all rows, because lists say nothing either.
    /// </summary>
    public bool Sharp { get; }

    /// <summary>A E, [dim, dim]: a row vector k times it is z.</summary>
    public float[] KeyTransform { get; }

    /// <summary>A⁻ᵀ E, [dim, dim]: a row vector q times it is x.</summary>
    public float[] QueryTransform { get; }

    /// <summary>Mean square of a residual along each axis, falling.</summary>
    public float[] Variances { get; }

    public ProductQuantizer Quantizer { get; }

    /// <summary>Mean square of what the codes lose along each axis.</summary>
    public float[] CodeNoise { get; }

    /// <summary>[dim]: what centres of lists are relative to.</summary>
    public float[] CentreMiddle { get; }

    /// <summary>[dim]: how far they are from it, more than 0; lists have factors of their own beside.</summary>
    public float[] CentreScale { get; }

    /// <summary>Cov(key, value) inside lists, [dim, dim], the key's axis first.</summary>
    public float[] ValueCovariance { get; }

    /// <summary>[dim]: the mean of all values.</summary>
    public float[] ValueMean { get; }

    /// <summary>Mean squared distance of a value from its list's mean.</summary>
    public float ValueSpread { get; }

    /// <summary>Mean squared distance of a value from the mean of all.</summary>
    public float ValueVariance { get; }

    /// <summary>First axis of each band and, last, Dim: bands of about equal energy.</summary>
    public int[] BandStarts { get; }

    /// <summary>Learns axes, quantiser and covariance from clustered segments, and turns their rows into the new coordinates.</summary>
    public static IvfPqCodec Fit(QueryMetric metric, IReadOnlyList<ClusteredRows> segments, IKeyRows values, IvfPqOptions options)
    {
        int dim = metric.Dim;
        double[] axes = Covariance(segments, dim), variances = SymmetricEigen.Decompose(axes, dim);
        // Rows of axes are eigenvectors: E = axesᵀ.
        float[] rotation = new float[dim * dim], keys = new float[dim * dim], queries = new float[dim * dim];
        for (int i = 0; i < dim; i++)
        {
            for (int j = 0; j < dim; j++)
            {
                double key = 0, query = 0;
                for (int m = 0; m < dim; m++)
                {
                    key += metric.Factor[i * dim + m] * axes[j * dim + m];
                    query += metric.Inverse[m * dim + i] * axes[j * dim + m];
                }
                rotation[i * dim + j] = (float)axes[j * dim + i];
                keys[i * dim + j] = (float)key;
                queries[i * dim + j] = (float)query;
            }
        }
        foreach (ClusteredRows segment in segments)
            segment.Rotate(rotation);
        (float[] sample, int count) = ResidualSample(segments, dim);
        for (int i = 0; i < dim; i++)
            variances[i] = Math.Max(variances[i], 0);
        ProductQuantizer quantizer = ProductQuantizer.Train(sample, count, dim, variances, options.Subspaces(dim));
        float[] noise = Noise(quantizer, sample, count, dim);
        // In these coordinates a query's axes have mean square 1, and its logits are scaled by 1/√dim.
        int fine = options.Subspaces(dim, sharp: true);
        bool sharp = metric.Learnt && TensorPrimitives.Sum<float>(noise) / dim > SharpNoise && fine <= CodeScan.MostSubspaces;
        if (sharp)
        {
            quantizer = ProductQuantizer.Train(sample, count, dim, variances, fine);
            noise = Noise(quantizer, sample, count, dim);
        }
        return new IvfPqCodec(dim, keys, queries, [.. variances.Select(v => (float)v)], quantizer, noise, CentreRange.Of(segments), ValueStatistics.Of(segments, values), sharp);
    }

    public static IvfPqCodec FromParts(int dim, float[] keyTransform, float[] queryTransform, float[] variances, ProductQuantizer quantizer, float[] codeNoise, CentreRange centres, ValueStatistics values, bool sharp)
        => new(dim, keyTransform, queryTransform, variances, quantizer, codeNoise, centres, values, sharp);

    /// <summary>Variance of what the codes lose of a query's logits.</summary>
    /// <param name="x">[dim]</param>
    public unsafe float Noise(float* x)
    {
        float sum = 0;
        for (int i = 0; i < Dim; i++)
            sum += x[i] * x[i] * CodeNoise[i];
        return sum;
    }

    /// <summary>Bytes of matrices and codebooks.</summary>
    public long Bytes => sizeof(float) * (3L * Dim * Dim + ProductQuantizer.Centroids * Dim + 5 * Dim);

    /// <summary>Coordinates of queries, [group, dim].</summary>
    public unsafe void Transform(ReadOnlySpan<float> queries, float* x)
    {
        fixed (float* query = queries, transform = QueryTransform)
            PanelMultiply.Multiply(query, Dim, transform, Dim, x, Dim, queries.Length / Dim, Dim, Dim, false);
    }

    private static unsafe double[] Covariance(IReadOnlyList<ClusteredRows> segments, int dim)
    {
        // Every fourth row is plenty for 64 x 64 numbers.
        const int Stride = 4, Tile = ClusteredRows.Tile;
        var sum = new double[dim * dim];
        float[] residuals = new float[Tile * dim], columns = new float[Tile * dim], partial = new float[dim * dim];
        long rows = 0;
        foreach (ClusteredRows segment in segments)
        {
            Array.Clear(partial);
            for (int r = 0; r < segment.Count;)
            {
                int some = 0;
                for (; some < Tile && r < segment.Count; some++, r += Stride)
                    segment.Residual(r, residuals.AsSpan(some * dim, dim));
                rows += some;
                fixed (float* residual = residuals, column = columns, product = partial)
                {
                    Transpose.Apply(residual, some, dim, column, Tile);
                    PanelMultiply.Multiply(column, Tile, residual, dim, product, dim, dim, some, dim, accumulate: true);
                }
            }
            for (int i = 0; i < sum.Length; i++)
                sum[i] += partial[i];
        }
        for (int i = 0; i < dim; i++)
        {
            for (int j = 0; j <= i; j++)
                sum[j * dim + i] = sum[i * dim + j] = sum[i * dim + j] / Math.Max(1, rows);
        }
        return sum;
    }

    /// <summary>Residuals of rows at a uniform stride, axis after axis.</summary>
    private static unsafe (float[] Columns, int Count) ResidualSample(IReadOnlyList<ClusteredRows> segments, int dim)
    {
        const int Most = 2048;
        int total = segments.Sum(segment => segment.Count), count = (Math.Min(total, Most) + 15) / 16 * 16;
        float[] rows = new float[count * dim], columns = new float[count * dim];
        for (int i = 0; i < count; i++)
        {
            int row = (int)((long)i * total / count), s = 0;
            for (; row >= segments[s].Count; s++)
                row -= segments[s].Count;
            segments[s].Residual(row, rows.AsSpan(i * dim, dim));
        }
        fixed (float* source = rows, target = columns)
            Transpose.Apply(source, count, dim, target, count);
        return (columns, count);
    }

    private static unsafe float[] Noise(ProductQuantizer quantizer, float[] sample, int count, int dim)
    {
        float[] lost = new float[count * dim], noise = new float[dim];
        var codes = new int[count * quantizer.Subspaces];
        fixed (float* columns = sample, target = lost)
        fixed (int* code = codes)
            quantizer.Encode(columns, count, code, target);
        for (int i = 0; i < dim; i++)
            noise[i] = TensorPrimitives.SumOfSquares<float>(lost.AsSpan(i * count, count)) / count;
        return noise;
    }

    private static int[] ChooseBands(float[] variances)
    {
        int dim = variances.Length;
        var starts = new int[Bands + 1];
        double total = 0, sum = 0;
        foreach (float variance in variances)
            total += variance;
        int band = 1;
        for (int i = 0; i < dim && band < Bands; i++)
        {
            sum += variances[i];
            // At least one axis a band, and enough left for the others.
            if (sum >= total * band / Bands || dim - i - 1 <= Bands - band)
                starts[band++] = Math.Min(dim, i + 1);
        }
        while (band <= Bands)
            starts[band++] = dim;
        return starts;
    }
}
