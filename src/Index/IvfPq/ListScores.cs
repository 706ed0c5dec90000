using System.Numerics.Tensors;
using System.Runtime.Intrinsics;
using Retrieval.Index.Kernels;

namespace Retrieval.Index;

/// <summary>First level of the cascade: the logits of all lists and the mass that each is expected to hold.</summary>
internal static unsafe class ListScores
{
    // Logits within a list have lighter tails than a normal distribution of their variance; measured on four real heads, where
    // 0.7 to 0.8 gave the least error and 1 half as much again.
    private const float VarianceShare = 0.75f;

    /// <summary>Variance that a query's logits have in a list of average spread, band by band.</summary>
    /// <param name="x">[group, dim], queries in the codec's coordinates.</param>
    /// <param name="energies">[group, bands]</param>
    public static void Energies(IvfPqCodec codec, float* x, int group, float* energies)
    {
        for (int g = 0; g < group; g++)
        {
            for (int band = 0; band < IvfPqCodec.Bands; band++)
            {
                float energy = 0;
                for (int i = codec.BandStarts[band]; i < codec.BandStarts[band + 1]; i++)
                    energy += x[g * codec.Dim + i] * x[g * codec.Dim + i] * codec.Variances[i];
                energies[g * IvfPqCodec.Bands + band] = VarianceShare * energy;
            }
        }
    }

    /// <summary>Scores the lists of one segment.</summary>
    /// <param name="x">[group, dim], queries in the codec's coordinates.</param>
    /// <param name="energies">[group, bands], from <see cref="Energies"/>.</param>
    /// <param name="scratch">[group, dim or bands, whichever is more]</param>
    /// <param name="logits">[group, stride]: x · centre.</param>
    /// <param name="mass">[group, stride]: log of the list's expected mass; −∞ in the padding.</param>
    /// <param name="variances">[group, stride]: variance of the logits inside a list; null: not wanted.</param>
    /// <param name="extremes">[group, 2]: the least and the largest log mass so far.</param>
    public static void Compute(
        IvfPqSegment segment, float* x, float* energies, int group, float* scratch, float* logits, float* mass, float* variances, int stride, float* extremes)
    {
        const int Bands = IvfPqCodec.Bands;
        int dim = segment.CentreScale.Length, padded = segment.PaddedLists;
        float* offset = stackalloc float[group];
        for (int g = 0; g < group; g++)
        {
            var query = new ReadOnlySpan<float>(x + g * dim, dim);
            TensorPrimitives.Multiply(query, segment.CentreScale, new Span<float>(scratch + g * dim, dim));
            offset[g] = TensorPrimitives.Dot(query, segment.CentreMiddle);
        }
        ByteColumns.Multiply((sbyte*)segment.Centres.Pointer, padded, dim, scratch, group, logits, stride, padded);
        for (int g = 0; g < group; g++)
            TensorPrimitives.Multiply(new ReadOnlySpan<float>(energies + g * Bands, Bands), segment.SpreadScale, new Span<float>(scratch + g * Bands, Bands));
        ByteColumns.Multiply((sbyte*)segment.Spread.Pointer, padded, Bands, scratch, group, mass, stride, padded);
        for (int g = 0; variances != null && g < group; g++)
            new ReadOnlySpan<float>(mass + (long)g * stride, padded).CopyTo(new Span<float>(variances + (long)g * stride, padded));
        fixed (float* logCounts = segment.LogCounts)
        {
            for (int g = 0; g < group; g++)
                Mass(logits + (long)g * stride, offset[g], logCounts, mass + (long)g * stride, padded, extremes + 2 * g);
        }
    }

    /// <summary>ln of the mean of exp(logit − mean logit) over exp(<paramref name="logCount"/>) rows of normal logits; see <see cref="Mass"/>.</summary>
    public static float Gain(float variance, float logCount)
        => variance < 2 * logCount ? variance / 2 : MathF.Sqrt(2 * logCount * variance) - logCount;

    /// <summary>
    /// ln E Σ exp(logit) over n rows of normal logits: ln n + mean + σ²/2. Beyond σ² = 2 ln n a sum of n terms is its largest term
    /// and grows with σ only (the random energy model's transition, Derrida, Phys. Rev. B 24, 2613).
    /// </summary>
    /// <param name="extremes">[2]: the least and the largest log mass so far, padding left out.</param>
    public static void Mass(float* logits, float offset, float* logCounts, float* variances, int count, float* extremes)
    {
        Vector512<float> least = Vector512.Create(extremes[0]), largest = Vector512.Create(extremes[1]), infinity = Vector512.Create(float.PositiveInfinity);
        for (int i = 0; i < count; i += 16)
        {
            Vector512<float> logit = Vector512.Load(logits + i) + Vector512.Create(offset), logCount = Vector512.Load(logCounts + i);
            Vector512<float> variance = Vector512.Load(variances + i), half = Vector512.Max(logCount, Vector512<float>.Zero), critical = half + half;
            Vector512<float> frozen = Vector512.Sqrt(variance * critical) - half;
            Vector512<float> gain = Vector512.ConditionalSelect(Vector512.LessThan(variance, critical), variance * 0.5f, frozen);
            logit.Store(logits + i);
            Vector512<float> mass = logit + gain + logCount;
            mass.Store(variances + i);
            largest = Vector512.Max(largest, mass);
            least = Vector512.Min(least, Vector512.ConditionalSelect(Vector512.Equals(mass, -infinity), infinity, mass));
        }
        for (int lane = 0; lane < 16; lane++)
            (extremes[0], extremes[1]) = (MathF.Min(extremes[0], least[lane]), MathF.Max(extremes[1], largest[lane]));
    }
}
