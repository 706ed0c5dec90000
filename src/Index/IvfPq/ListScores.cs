using System.Runtime.Intrinsics;
using Retrieval.Index.Kernels;

namespace Retrieval.Index;

/// <summary>First level of the cascade: the logits of all lists and the mass that each is expected to hold.</summary>
internal static unsafe class ListScores
{
    // Logits within a list have lighter tails than a normal distribution of their variance; measured on four real heads, where
    // 0.7 to 0.8 gave the least error and 1 half as much again.
    private const float VarianceShare = 0.75f;

    /// <summary>Scores the lists of one segment.</summary>
    /// <param name="x">[group, dim], queries in the codec's coordinates.</param>
    /// <param name="scratch">[group, dim + bands]</param>
    /// <param name="logits">[group, stride]: x · centre.</param>
    /// <param name="variances">[group, stride]: variance of the logits inside a list; null: not wanted.</param>
    /// <param name="mass">[group, stride]: log of the list's expected mass; −∞ in the padding.</param>
    public static void Compute(IvfPqSegment segment, IvfPqCodec codec, float* x, int group, float* scratch, float* logits, float* mass, float* variances, int stride)
    {
        int dim = codec.Dim, padded = segment.PaddedLists;
        float* offset = stackalloc float[group];
        for (int g = 0; g < group; g++)
        {
            offset[g] = 0;
            for (int i = 0; i < dim; i++)
            {
                scratch[g * dim + i] = x[g * dim + i] * segment.CentreScale[i];
                offset[g] += x[g * dim + i] * segment.CentreMiddle[i];
            }
        }
        ByteColumns.Multiply((sbyte*)segment.Centres.Pointer, padded, dim, scratch, group, logits, stride, padded);
        for (int g = 0; g < group; g++)
        {
            for (int band = 0; band < IvfPqCodec.Bands; band++)
            {
                float energy = 0;
                for (int i = codec.BandStarts[band]; i < codec.BandStarts[band + 1]; i++)
                    energy += x[g * dim + i] * x[g * dim + i] * codec.Variances[i];
                scratch[g * IvfPqCodec.Bands + band] = VarianceShare * energy * segment.SpreadScale[band];
            }
        }
        ByteColumns.Multiply((sbyte*)segment.Spread.Pointer, padded, IvfPqCodec.Bands, scratch, group, mass, stride, padded);
        for (int g = 0; variances != null && g < group; g++)
            new ReadOnlySpan<float>(mass + (long)g * stride, padded).CopyTo(new Span<float>(variances + (long)g * stride, padded));
        fixed (float* logCounts = segment.LogCounts)
        {
            for (int g = 0; g < group; g++)
                Mass(logits + (long)g * stride, offset[g], logCounts, mass + (long)g * stride, padded);
        }
    }

    /// <summary>ln of the mean of exp(logit − mean logit) over exp(<paramref name="logCount"/>) rows of normal logits; see <see cref="Mass"/>.</summary>
    public static float Gain(float variance, float logCount)
        => variance < 2 * logCount ? variance / 2 : MathF.Sqrt(2 * logCount * variance) - logCount;

    /// <summary>
    /// ln E Σ exp(logit) over n rows of normal logits: ln n + mean + σ²/2. Beyond σ² = 2 ln n a sum of n terms is its largest term
    /// and grows with σ only (the random energy model's transition, Derrida, Phys. Rev. B 24, 2613).
    /// </summary>
    private static void Mass(float* logits, float offset, float* logCounts, float* variances, int count)
    {
        for (int i = 0; i < count; i += 16)
        {
            Vector512<float> logit = Vector512.Load(logits + i) + Vector512.Create(offset), logCount = Vector512.Load(logCounts + i);
            Vector512<float> variance = Vector512.Load(variances + i), half = Vector512.Max(logCount, Vector512<float>.Zero), critical = half + half;
            Vector512<float> frozen = Vector512.Sqrt(variance * critical) - half;
            Vector512<float> gain = Vector512.ConditionalSelect(Vector512.LessThan(variance, critical), variance * 0.5f, frozen);
            logit.Store(logits + i);
            (logit + gain + logCount).Store(variances + i);
        }
    }
}
