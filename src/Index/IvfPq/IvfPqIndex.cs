using System.Runtime.InteropServices;
using Retrieval.Index.Kernels;

namespace Retrieval.Index;

/// <summary>
/// Inverted lists with product-quantised residuals over keys of one KV head, in the metric of the prompt's own queries, and what
/// the lists know of their values. Rows are clustered in segments, each once; a <see cref="Cascade"/> attends through them.
/// </summary>
public sealed class IvfPqIndex
{
    // The codec is learnt from so many segments, spread over the rows.
    private const int SampledSegments = 4;

    private readonly List<IvfPqSegment> _segments = [];

    // Of all segments, and where each one's begins; last, where the next one's would.
    private ListTables _tables = new(default);
    private ListBytes[] _tableStarts = [default];

    private ListGroups? _groups;
    private bool _grouped;

    // Segments that were clustered to learn the codec, until they are encoded.
    private readonly Dictionary<int, ClusteredRows> _clustered = [];

    internal IvfPqIndex(IvfPqCodec codec, IvfPqOptions options) => (Codec, Options) = (codec, options);

    public IvfPqOptions Options { get; }

    /// <summary>Row after the last segment; 0 without one.</summary>
    public int End => _segments.Count == 0 ? 0 : _segments[^1].First + _segments[^1].Count;

    /// <summary>Bytes of lists and codes, shared tables included.</summary>
    public long Bytes => _segments.Sum(segment => segment.Bytes) + _tableStarts[^1].Total + Codec.Bytes + (_grouped && _groups is { } groups ? groups.Bytes : 0);

    internal IvfPqCodec Codec { get; }

    internal IReadOnlyList<IvfPqSegment> Segments => _segments;

    /// <summary>The same for inner loops; until the index changes.</summary>
    internal ReadOnlySpan<IvfPqSegment> SegmentSpan => CollectionsMarshal.AsSpan(_segments);

    /// <summary>Number of each segment's first list and, last, that of all lists, padding included.</summary>
    internal int[] FirstLists { get; private set; } = [0];

    /// <summary>Rows of each list of each segment, segments padded as their scores are; 0 in the padding.</summary>
    internal float[] ListSizes { get; private set; } = [];

    /// <summary>Where each segment's codes begin; valid while the index is reachable.</summary>
    internal nint[] Codes { get; private set; } = [];

    /// <summary>The lists' panels, each summed up; null: lists are few.</summary>
    internal ListGroups? Groups
    {
        get
        {
            // When a search first asks: an index that nobody searches so, or that still grows, needs none.
            if (!_grouped)
                (_groups, _grouped) = (ListGroups.Of(this), true);
            return _groups;
        }
    }

    /// <summary>Table of the lists of all segments, one after another; valid while the index is reachable and until it changes.</summary>
    internal ListTable Lists => _tables.Table(default, Codec.Dim, ListSizes.Length / ListTable.PanelLists);

    /// <summary>Segments, counted from the first, whose rows all stand before a row.</summary>
    public int SegmentsBefore(int row)
    {
        int segments = _segments.Count;
        while (segments > 0 && EndOf(segments) > row)
            segments--;
        return segments;
    }

    /// <summary>Row after the last of some segments, counted from the first; at least one.</summary>
    public int EndOf(int segments) => _segments[segments - 1].First + _segments[segments - 1].Count;

    /// <summary>Builds an index over rows [first, first + count).</summary>
    /// <param name="queries">Moments of the queries that will search, taken from the prompt.</param>
    public static IvfPqIndex Build(IKeyRows keys, IKeyRows values, int first, int count, QueryMoments queries, IvfPqOptions options)
    {
        IvfPqIndex index = Prepare(keys, values, first, count, queries, options);
        index.Add(index.Encode(keys, values, first, count));
        return index;
    }

    /// <summary>Writes lists, codes and what they share; the rows themselves belong to somebody else.</summary>
    public void Save(Stream stream)
    {
        int first = _segments.Count == 0 ? 0 : _segments[0].First;
        IndexFile.Save(stream, IndexKind.IvfPq, new IndexShape(Codec.Dim, first, End - first), writer => IvfPqFormat.Write(writer, this));
    }

    /// <summary>Reads what <see cref="Save"/> wrote.</summary>
    /// <exception cref="InvalidDataException">The stream holds no undamaged index of this kind.</exception>
    public static IvfPqIndex Load(Stream stream) => IndexFile.Load(stream, IndexKind.IvfPq, (shape, reader) =>
    {
        IvfPqIndex index = IvfPqFormat.Read(reader, shape);
        return index.End == shape.First + shape.Count || shape.Count == 0 ? index
            : throw IndexReader.Error($"its lists end at row {index.End} and should at row {shape.First + shape.Count}");
    });

    /// <summary>Learns coordinates and codes from rows [first, first + count), and holds none of them yet.</summary>
    internal static IvfPqIndex Prepare(IKeyRows keys, IKeyRows values, int first, int count, QueryMoments queries, IvfPqOptions options)
    {
        options.Validate();
        if (options.Subspaces(keys.Dim) > CodeScan.MostSubspaces)
            throw new ArgumentException($"Rows of {keys.Dim} elements would have {options.Subspaces(keys.Dim)} codes and can have {CodeScan.MostSubspaces}; raise AxesPerCode above {options.AxesPerCode}.", nameof(options));
        QueryMetric metric = QueryMetric.From(queries);
        float[] factor = [.. metric.Factor.Select(value => (float)value)];
        int[] starts = Cut(first, count, options);
        var sample = new Dictionary<int, ClusteredRows>();
        int segments = starts.Length - 1, sampled = Math.Min(SampledSegments, segments);
        for (int i = 0; i < sampled; i++)
        {
            int s = (2 * i + 1) * segments / (2 * sampled);
            sample[starts[s]] = ClusteredRows.Read(keys, starts[s], starts[s + 1] - starts[s], factor, options);
        }
        var index = new IvfPqIndex(IvfPqCodec.Fit(metric, [.. sample.Values], values, options), options);
        foreach ((int start, ClusteredRows rows) in sample)
            index._clustered[start] = rows;
        return index;
    }

    /// <summary>Segments over rows [first, first + count), not added yet: a background thread may make what decode adds later.</summary>
    internal IvfPqSegment[] Encode(IKeyRows keys, IKeyRows values, int first, int count)
    {
        int[] starts = Cut(first, count, Options);
        var segments = new IvfPqSegment[starts.Length - 1];
        for (int s = 0; s < segments.Length; s++)
        {
            if (!_clustered.Remove(starts[s], out ClusteredRows? rows))
                rows = ClusteredRows.Read(keys, starts[s], starts[s + 1] - starts[s], Codec.KeyTransform, Options);
            segments[s] = SegmentEncoder.Encode(rows, Codec, values);
            rows.Dispose();
        }
        _clustered.Clear();
        return segments;
    }

    internal void Add(params ReadOnlySpan<IvfPqSegment> segments)
    {
        _segments.AddRange(segments);
        CountLists();
        GatherTables(segments.Length);
        _grouped = false;
    }

    /// <summary>Drops the segments that have rows from <paramref name="end"/> on.</summary>
    internal void Truncate(int end)
    {
        while (_segments.Count > 0 && End > end)
            _segments.RemoveAt(_segments.Count - 1);
        CountLists();
        _tableStarts = _tableStarts[..(_segments.Count + 1)];
        _grouped = false;
    }

    /// <summary>An index with the same segments, which are immutable and shared.</summary>
    internal IvfPqIndex Copy()
    {
        var copy = new IvfPqIndex(Codec, Options);
        copy._segments.AddRange(_segments);
        (copy.ListSizes, copy.FirstLists, copy.Codes) = (ListSizes, FirstLists, Codes);
        (copy._tables, copy._tableStarts, copy._groups, copy._grouped) = (_tables, _tableStarts, _groups, _grouped);
        return copy;
    }

    private unsafe void CountLists()
    {
        var firsts = new int[_segments.Count + 1];
        for (int s = 0; s < _segments.Count; s++)
            firsts[s + 1] = firsts[s] + _segments[s].PaddedLists;
        var sizes = new float[firsts[^1]];
        for (int s = 0; s < _segments.Count; s++)
        {
            for (int list = 0; list < _segments[s].Lists; list++)
                sizes[firsts[s] + list] = _segments[s].ListCount(list);
        }
        (ListSizes, FirstLists, Codes) = (sizes, firsts, [.. _segments.Select(segment => (nint)segment.Codes.Pointer)]);
    }

    /// <summary>Brings the tables of the latest segments behind those of the others.</summary>
    private void GatherTables(int added)
    {
        int known = _segments.Count - added;
        ListBytes end = _tableStarts[^1];
        var starts = new ListBytes[_segments.Count + 1];
        _tableStarts.CopyTo(starts, 0);
        for (int s = known; s < _segments.Count; s++)
            starts[s + 1] = starts[s] + ListTable.Bytes(Codec.Dim, _segments[s].Panels);
        if (!_tables.Claim(end, starts[^1] - end))
        {
            // An index that grows will go on growing.
            _tables = new ListTables(starts[^1] + new ListBytes(end.Scores / 8, end.Values / 8));
            _tables.Claim(default, starts[^1]);
            known = 0;
        }
        for (int s = known; s < _segments.Count; s++)
        {
            IvfPqSegment segment = _segments[s];
            ListBytes length = starts[s + 1] - starts[s];
            segment.Tables.Scores(segment.TableStart, length).CopyTo(_tables.Scores(starts[s], length));
            segment.Tables.Values(segment.TableStart, length).CopyTo(_tables.Values(starts[s], length));
            _segments[s] = segment with { Tables = _tables, TableStart = starts[s] };
        }
        _tableStarts = starts;
    }

    /// <summary>Bounds of segments of equal size, at most as large as the options say.</summary>
    private static int[] Cut(int first, int count, IvfPqOptions options)
    {
        int segments = Math.Max(1, (count + options.SegmentRows - 1) / options.SegmentRows);
        return [.. Enumerable.Range(0, segments + 1).Select(i => first + (int)((long)count * i / segments))];
    }
}
