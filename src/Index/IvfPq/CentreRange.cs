namespace Retrieval.Index;

/// <summary>
/// Where the centres of lists lie along each axis, so that bytes can tell them apart. One range for all segments: a query is rounded once for all
/// lists. Centres beyond it need no care, because every list has a factor of its own.
/// </summary>
/// <param name="Middle">[dim]</param>
/// <param name="Scale">[dim]: distance of the farthest centre, more than 0.</param>
internal readonly record struct CentreRange(float[] Middle, float[] Scale)
{
    // Of the largest scale: centres of later segments may leave an axis on which the first ones were all the same.
    private const float LeastShare = 1f / 64;

    // Of the farthest middle: what rounding makes of centres that are all the same says nothing.
    private const float Noise = 1e-6f;

    /// <summary>What a scale must be, so that what it divides stays a float.</summary>
    public const float Least = 1e-30f;

    public static CentreRange Of(IReadOnlyList<ClusteredRows> segments)
    {
        int dim = segments[0].Dim;
        float[] middle = new float[dim], scale = new float[dim];
        for (int i = 0; i < dim; i++)
        {
            float low = float.PositiveInfinity, high = float.NegativeInfinity;
            foreach (ClusteredRows segment in segments)
            {
                for (int cluster = 0; cluster < segment.Clusters; cluster++)
                {
                    float centre = segment.Centroid(cluster)[i];
                    (low, high) = (MathF.Min(low, centre), MathF.Max(high, centre));
                }
            }
            (middle[i], scale[i]) = ((low + high) / 2, (high - low) / 2);
        }
        float least = MathF.Max(scale.Max() * LeastShare, middle.Max(MathF.Abs) * Noise);
        if (least < Least)
            least = 1;
        for (int i = 0; i < dim; i++)
            scale[i] = MathF.Max(scale[i], least);
        return new CentreRange(middle, scale);
    }
}
