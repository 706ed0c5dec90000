using System.Numerics.Tensors;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Retrieval.Index.Kernels;

namespace Retrieval.Index;

/// <summary>First level of the cascade: the logits of lists, or of groups of them, and the mass that each is expected to hold.</summary>
internal static unsafe class ListScores
{
    // Logits within a list have lighter tails than a normal distribution of their variance; measured on four real heads, where
    // 0.7 to 0.8 gave the least error and 1 half as much again.
    private const float VarianceShare = 0.75f;

    // Of a logit and its variance: absurd queries, or indexes, end in numbers still.
    private const float Most = 1e30f;

    private const int Lanes = ListTable.PanelLists;

    /// <summary>Floats that the least and the largest log mass of a query take while lists are scored: one of each a lane.</summary>
    public const int ExtremeFloats = 2 * Lanes;

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

    /// <summary>Scores lists of one table, panel after panel.</summary>
    /// <param name="chosen">[panels]: numbers of the panels; null: the first so many.</param>
    /// <param name="queries">The group's queries, rounded.</param>
    /// <param name="logits">[group, stride]: x · centre.</param>
    /// <param name="mass">[group, stride]: log of the list's expected mass; −∞ in the padding.</param>
    /// <param name="variances">[group, stride]: variance of the logits inside a list; null: not wanted.</param>
    /// <param name="extremes">[group, <see cref="ExtremeFloats"/>], from <see cref="Reset"/>: the least and the largest log mass so far.</param>
    public static void Compute(ListTable lists, int* chosen, int panels, ListQueries queries, float* logits, float* mass, float* variances, int stride, float* extremes)
    {
        ByteColumns.Multiply(lists.Centres(0), lists.ScoreStride, chosen, panels, queries.Dim, queries.Centres, queries.CentreUnits, queries.Group, logits, stride);
        ByteColumns.Multiply(lists.Spread(0), lists.ScoreStride, chosen, panels, IvfPqCodec.Bands, queries.Spreads, queries.SpreadUnits, queries.Group, mass, stride);
        for (int g = 0; g < queries.Group; g++, logits += stride, mass += stride, extremes += ExtremeFloats)
            Mass(logits, queries.Offsets[g], lists, chosen, mass, variances == null ? null : variances + (long)g * stride, panels, extremes);
    }

    /// <summary>ln of the mean of exp(logit − mean logit) over exp(<paramref name="logCount"/>) rows of normal logits; see <see cref="LogMass"/>.</summary>
    public static float Gain(float variance, float logCount)
        => variance < 2 * logCount ? variance / 2 : MathF.Sqrt(2 * logCount * variance) - logCount;

    /// <summary>Logarithms of the expected masses of lists one after another; see <see cref="LogMass"/>.</summary>
    /// <param name="variances">[count], receives the masses.</param>
    /// <param name="extremes">[<see cref="ExtremeFloats"/>]: the least and the largest log mass so far, padding left out.</param>
    public static void Mass(float* logits, float* logCounts, float* variances, int count, float* extremes)
    {
        Vector512<float> least = Vector512.Load(extremes), largest = Vector512.Load(extremes + Lanes);
        for (int i = 0; i < count; i += Lanes)
        {
            Vector512<float> mass = LogMass(Vector512.Load(logits + i), Vector512.Load(logCounts + i), Vector512.Load(variances + i));
            mass.Store(variances + i);
            Extend(mass, ref least, ref largest);
        }
        least.Store(extremes);
        largest.Store(extremes + Lanes);
    }

    /// <summary>The same for lists of a table, whose scales, and an offset of the logits, are taken into account first.</summary>
    /// <param name="spreads">[16 panels]: variances but for the lists' scales; receives the masses.</param>
    /// <param name="variances">Receives the variances; null: not wanted.</param>
    private static void Mass(float* logits, float offset, ListTable lists, int* chosen, float* spreads, float* variances, int panels, float* extremes)
    {
        Vector512<float> least = Vector512.Load(extremes), largest = Vector512.Load(extremes + Lanes), start = Vector512.Create(offset);
        var first = (byte*)lists.LogCounts(0);
        nint stride = lists.ScoreStride, toScales = (nint)lists.Scales(0) - (nint)first;
        for (int k = 0, i = 0; k < panels; k++, i += Lanes)
        {
            byte* panel = first + (chosen == null ? k : chosen[k]) * stride;
            (Vector512<float> centre, Vector512<float> spread) = ListScale.OfPanel((ListScale*)(panel + toScales));
            Vector512<float> logit = Vector512.FusedMultiplyAdd(Vector512.Load(logits + i), centre, start);
            Vector512<float> variance = Vector512.Load(spreads + i) * spread;
            logit.Store(logits + i);
            if (variances != null)
                variance.Store(variances + i);
            Vector512<float> mass = LogMass(logit, Vector512.Load((float*)panel), variance);
            mass.Store(spreads + i);
            Extend(mass, ref least, ref largest);
        }
        least.Store(extremes);
        largest.Store(extremes + Lanes);
    }

    /// <summary>
    /// ln E Σ exp(logit) over n rows of normal logits: ln n + mean + σ²/2. Beyond σ² = 2 ln n a sum of n terms is its largest term
    /// and grows with σ only (the random energy model's transition, Derrida, Phys. Rev. B 24, 2613).
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> LogMass(Vector512<float> logit, Vector512<float> logCount, Vector512<float> variance)
    {
        Vector512<float> half = Vector512.MaxNative(logCount, Vector512<float>.Zero), critical = half + half;
        logit = Vector512.MinNative(Vector512.MaxNative(logit, Vector512.Create(-Most)), Vector512.Create(Most));
        variance = Vector512.MinNative(variance, Vector512.Create(Most));
        // Square roots take longer than all else, and lists of most heads are far from it.
        Vector512<float> gain = Vector512.GreaterThanOrEqualAny(variance, critical)
            ? Vector512.ConditionalSelect(Vector512.GreaterThanOrEqual(variance, critical), Vector512.Sqrt(variance * critical) - half, variance * 0.5f)
            : variance * 0.5f;
        return logit + gain + logCount;
    }

    /// <summary>Takes masses into the extremes, but for those of the padding.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Extend(Vector512<float> mass, ref Vector512<float> least, ref Vector512<float> largest)
    {
        Vector512<float> infinity = Vector512.Create(float.PositiveInfinity);
        largest = Vector512.MaxNative(largest, mass);
        least = Vector512.MinNative(least, Vector512.ConditionalSelect(Vector512.Equals(mass, -infinity), infinity, mass));
    }

    /// <summary>Takes masses that were computed before into the extremes.</summary>
    /// <param name="mass">[count]: logarithms, −∞ in the padding.</param>
    public static void Extend(float* mass, int count, float* extremes)
    {
        Vector512<float> least = Vector512.Load(extremes), largest = Vector512.Load(extremes + Lanes);
        for (int i = 0; i < count; i += Lanes)
            Extend(Vector512.Load(mass + i), ref least, ref largest);
        least.Store(extremes);
        largest.Store(extremes + Lanes);
    }

    /// <summary>Before the first list.</summary>
    /// <param name="extremes">[queries, <see cref="ExtremeFloats"/>]</param>
    public static void Reset(float* extremes, int queries)
    {
        for (int q = 0; q < queries; q++, extremes += ExtremeFloats)
        {
            Vector512.Create(float.PositiveInfinity).Store(extremes);
            Vector512.Create(float.NegativeInfinity).Store(extremes + Lanes);
        }
    }

    /// <summary>The least and the largest log mass of one query.</summary>
    /// <param name="extremes">[<see cref="ExtremeFloats"/>]</param>
    public static (float Least, float Largest) Extremes(float* extremes)
        => (TensorPrimitives.Min(new ReadOnlySpan<float>(extremes, Lanes)), TensorPrimitives.Max(new ReadOnlySpan<float>(extremes + Lanes, Lanes)));
}
