namespace Retrieval.Index;

/// <summary>
/// Inverted lists with product-quantised residuals over the keys of one KV head, in the metric of the prompt's own queries, and
/// what the lists know of their values. Rows that no segment holds yet are <em>pending</em>: whoever searches scans them.
/// </summary>
public sealed class IvfPqIndex
{
    private readonly List<IvfPqSegment> _segments = [];

    internal IvfPqIndex(IvfPqCodec codec, IvfPqOptions options) => (Codec, Options) = (codec, options);

    public IvfPqOptions Options { get; }

    internal IvfPqCodec Codec { get; }

    internal IReadOnlyList<IvfPqSegment> Segments => _segments;

    /// <summary>Bytes of lists and codes, shared tables included.</summary>
    public long Bytes => _segments.Sum(segment => segment.Bytes) + 3L * sizeof(float) * Codec.Dim * Codec.Dim;

    internal void Add(IvfPqSegment segment) => _segments.Add(segment);

    /// <summary>Builds an index over rows [first, first + count).</summary>
    public static IvfPqIndex Build(IKeyRows keys, IKeyRows values, int first, int count, QueryMoments moments, IvfPqOptions options)
    {
        options.Validate();
        QueryMetric metric = QueryMetric.From(moments);
        float[] factor = [.. metric.Factor.Select(value => (float)value)];
        int segments = Math.Max(1, (count + options.SegmentRows - 1) / options.SegmentRows);
        int[] starts = [.. Enumerable.Range(0, segments + 1).Select(i => first + (int)((long)count * i / segments))];
        const int Sampled = 4;
        var sample = new Dictionary<int, ClusteredRows>();
        for (int i = 0; i < Math.Min(Sampled, segments); i++)
        {
            int s = (int)((i + 0.5) * segments / Math.Min(Sampled, segments));
            sample[s] = ClusteredRows.Read(keys, starts[s], starts[s + 1] - starts[s], factor, options);
        }
        IvfPqCodec codec = IvfPqCodec.Fit(metric, [.. sample.Values], values, options);
        var index = new IvfPqIndex(codec, options);
        for (int s = 0; s < segments; s++)
        {
            if (!sample.TryGetValue(s, out ClusteredRows? rows))
                rows = ClusteredRows.Read(keys, starts[s], starts[s + 1] - starts[s], codec.KeyTransform, options);
            index.Add(SegmentEncoder.Encode(rows, codec, values));
        }
        return index;
    }
}
