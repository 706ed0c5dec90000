namespace Retrieval.Index;

/// <summary>
/// An <see cref="IvfPqIndex"/> as a search for keys: inverted lists say where to look, codes say which keys to read, exact logits
/// say which to return. Scores estimate those of <see cref="FlatIndex"/>: the shares of the attention, summed over the group.
/// </summary>
/// <remarks>
/// Appended rows are scanned exactly until a whole segment of them is there, which is then clustered within <see cref="Append"/>.
/// Coordinates and codes are learnt from the first segment, so that an index does not depend on the portions in which it grew.
/// </remarks>
public sealed class IvfPqKeyIndex : IKeyIndex
{
    // One search a thread serves all indexes: a model has hundreds of them, and they are searched one after another.
    [ThreadStatic]
    private static KeySearch? _threadSearch;

    private readonly IKeyRows _rows;
    private readonly int _first;
    private readonly QueryMoments _queries;
    private readonly IKeyRows _values;

    /// <param name="rows">Source of the keys; read when a segment is built and when its rows are searched.</param>
    /// <param name="queries">Moments of the queries that will search; copied. Empty ones give the Euclidean metric.</param>
    /// <param name="options">How lists and codes are built.</param>
    /// <param name="first">Number of the first row.</param>
    public IvfPqKeyIndex(IKeyRows rows, QueryMoments queries, IvfPqOptions options, int first = 0)
    {
        options.Validate();
        ArgumentOutOfRangeException.ThrowIfNegative(first);
        if (queries.Dim != rows.Dim)
            throw new ArgumentException($"Queries have {queries.Dim} elements and keys {rows.Dim}; both must come from the same head.", nameof(queries));
        (_rows, _first, _queries, Options) = (rows, first, queries.Copy(), options);
        _values = new NoValues(rows.Dim);
    }

    public IvfPqOptions Options { get; }

    /// <summary>Share of the indexed rows whose codes a search reads; default 0.5.</summary>
    public double OpenedShare { get; init; } = 0.5;

    /// <summary>Keys of indexed rows that are read for each row that is asked for; default 4.</summary>
    public int KeysPerHit { get; init; } = 4;

    /// <summary>Keys that are read at least; default 1,024: a short list of hits needs more spare candidates than a long one.</summary>
    public int LeastKeys { get; init; } = 1024;

    public int Count { get; private set; }

    public long Bytes => Index?.Bytes ?? 0;

    internal IvfPqIndex? Index { get; private set; }

    // Row after the last segment.
    private int Indexed => Index?.End ?? _first;

    public void Append(int count)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        Count = checked(Count + count);
        while (_first + Count - Indexed >= Options.SegmentRows)
        {
            int start = Indexed;
            Index ??= IvfPqIndex.Prepare(_rows, _values, start, Options.SegmentRows, _queries, Options);
            Index.Add(Index.Encode(_rows, _values, start, Options.SegmentRows));
        }
    }

    public void Truncate(int count)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        if (count >= Count)
            return;
        Count = count;
        Index?.Truncate(_first + count);
        // What was learnt goes with the segment that it was learnt from.
        if (Index is { Segments.Count: 0 })
            Index = null;
    }

    public int Search(ReadOnlySpan<float> queries, int k, Span<Hit> hits)
    {
        if (Count == 0 || k <= 0)
            return 0;
        int end = Indexed, indexed = end - _first;
        int keys = (int)Math.Min(indexed, Math.Max(LeastKeys, (long)k * Math.Max(1, KeysPerHit)));
        int opened = Math.Max(keys, (int)(indexed * Math.Clamp(OpenedShare, 0, 1)));
        return (_threadSearch ??= new KeySearch()).Run(Index, _rows, end, Count - indexed, queries, Math.Min(k, Count), opened, keys, hits);
    }

    /// <summary>Writes lists, codes and the moments of the queries; the rows themselves belong to somebody else.</summary>
    public void Save(Stream stream) => IndexFile.Save(stream, IndexKind.IvfPqKeys, new IndexShape(_rows.Dim, _first, Count), writer =>
    {
        writer.Write(OpenedShare);
        writer.Write(KeysPerHit);
        writer.Write(LeastKeys);
        IvfPqFormat.Write(writer, _queries);
        IvfPqFormat.Write(writer, Options);
        writer.Write(Index is null ? 0 : 1);
        if (Index is not null)
            IvfPqFormat.Write(writer, Index);
    });

    /// <summary>Reads what <see cref="Save"/> wrote.</summary>
    /// <param name="rows">The rows that were covered.</param>
    /// <param name="available">Rows that the source has; an index that covers more is refused.</param>
    /// <exception cref="InvalidDataException">The stream holds no undamaged index of this kind over rows of this shape.</exception>
    public static IvfPqKeyIndex Load(Stream stream, IKeyRows rows, int available) => IndexFile.Load(stream, IndexKind.IvfPqKeys, (shape, reader) =>
    {
        shape.Expect(rows, available);
        double openedShare = reader.Read<double>("opened share");
        int keysPerHit = reader.Read<int>("keys per hit"), leastKeys = reader.Read<int>("least keys");
        QueryMoments queries = IvfPqFormat.ReadMoments(reader, shape.Dim);
        var index = new IvfPqKeyIndex(rows, queries, IvfPqFormat.ReadOptions(reader, shape.Dim), shape.First)
        {
            OpenedShare = double.IsFinite(openedShare) ? openedShare : throw IndexReader.Error($"opened share is {openedShare}"),
            KeysPerHit = keysPerHit,
            LeastKeys = leastKeys,
            Count = shape.Count,
        };
        if (reader.ReadInt(0, 1, "segments or none") == 1)
            index.Index = IvfPqFormat.Read(reader, shape);
        int tail = shape.First + shape.Count - index.Indexed;
        if (index.Index is { Segments.Count: 0 } || (index.Index is not null && index.Index.Options != index.Options) || tail >= index.Options.SegmentRows)
            throw IndexReader.Error($"{tail:N0} rows are in no segment of {index.Options.SegmentRows:N0}, or segments have other options than the index");
        return index;
    });

    /// <summary>Lists know their mean values; a search for keys does without, so there they are zeros.</summary>
    private sealed class NoValues(int dim) : IKeyRows
    {
        public int Dim => dim;

        public unsafe void Read(int first, int count, float* destination) => new Span<float>(destination, count * dim).Clear();
    }
}
