using System.Runtime.CompilerServices;
using Retrieval.Index;
using Retrieval.Offload;

namespace Retrieval.Runtime.Policies;

/// <summary>
/// Indexes over the far tokens of one layer, one for each KV head. A prompt's rows are indexed in the background while the next
/// layer computes. Rows that the window leaves behind in decode are attended to exactly until there are enough for a segment, which
/// one step builds: beside the steps a build would take their cores away in turns, and make some of them ten times as long.
/// </summary>
internal sealed unsafe class IvfPqSelector : ITokenSelector
{
    // Layers reach the length of a segment in the same step; they build one after another instead, a layer a step.
    private const int Stagger = 64;

    // Scratch memory serves all layers: they are searched one after another.
    private static readonly ConditionalWeakTable<WorkerPool, CascadeTeam> Teams = [];

    [ThreadStatic]
    private static Cascade? _cascade;

    private readonly IvfPqPolicy _policy;
    private readonly LayerContext _layer;
    private readonly int _kvHeads;
    private readonly CascadeTeam _team;
    private readonly CascadeQuery[] _searches;
    private PromptQueries _queries;
    private float[] _targets = [];
    private IvfPqIndex?[] _indexes;
    private PackedRows[][] _packed;
    private Task? _prefillBuild;
    private int _count, _indexed;
    private long _bytesRead;

    public IvfPqSelector(IvfPqPolicy policy, LayerContext layer)
    {
        _policy = policy;
        _layer = layer;
        _kvHeads = layer.Store.Layout.KvHeads;
        _team = Teams.GetValue(layer.Workers, workers => new CascadeTeam(workers));
        _searches = new CascadeQuery[_kvHeads];
        _indexes = new IvfPqIndex?[_kvHeads];
        // Without a prompt there are no queries to learn from.
        _queries = new PromptQueries(_kvHeads, layer.Group, layer.Store.Layout.HeadDim);
        _packed = [.. Enumerable.Repeat(Array.Empty<PackedRows>(), _kvHeads)];
    }

    /// <summary>How the indexes are built.</summary>
    public IvfPqPolicy Policy => _policy;

    /// <summary>Of each KV head that has an index, whether it is so sharp that its lists say little.</summary>
    public IEnumerable<bool> SharpHeads
    {
        get
        {
            Settle();
            return _indexes.OfType<IvfPqIndex>().Select(index => index.Codec.Sharp);
        }
    }

    public long IndexBytes
    {
        get
        {
            Settle();
            return _indexes.Sum(index => index?.Bytes ?? 0);
        }
    }

    public long BytesRead => _bytesRead;

    public int Searched
    {
        get
        {
            Settle();
            return _indexed;
        }
    }

    /// <summary>What far rows lose that nobody attends to in particular.</summary>
    private float QuietDiscount => _layer.Store.Placement(_layer.Layer)?.QuietDiscount(_indexed) ?? 0;

    private int Pending => _count - _indexed;

    /// <summary>
    /// What tokens of a prompt search while it is read: indexes the rows that the prompt has left behind once they fill a segment. They are
    /// those that decode will search.
    /// </summary>
    /// <param name="end">End of the rows to index, if they fill a segment.</param>
    /// <param name="length">Tokens that the sequence will hold: lists grow with it.</param>
    /// <returns>Null: there is nothing to search yet.</returns>
    public IndexedRows? Reading(int end, int length, PromptQueries queries)
    {
        Settle();
        int first = _layer.Sinks + _indexed, segmentRows = _indexes[0]?.Options.SegmentRows ?? _policy.IndexOf(length).SegmentRows;
        // All of them: chunks and segments then end together, and no rows between the two are attended to exactly by every token.
        if (end - first >= segmentRows)
            Extend(queries, first, end - first, length);
        if (_indexed == 0)
            return null;
        float quiet = QuietDiscount;
        return new IndexedRows(
            _indexes!, _packed, _layer.Sinks, _policy.Window, _policy.PrefillBudget with { QuietDiscount = quiet }, _policy.CarefulBudget(_indexed) with { QuietDiscount = quiet },
            length - _policy.CarefulPrefill, _layer.Store.Placement(_layer.Layer));
    }

    public void Prefill(int rows, PromptQueries queries)
    {
        Settle();
        _count += rows;
        _queries = queries.Copy();
        int first = _layer.Sinks + _indexed, count = Pending >= IvfPqPolicy.SmallestSegment ? Pending : 0;
        bool calibrated = _policy.MaxError == 0 || _targets.Length > 0;
        if (count == 0 && (_indexed == 0 || calibrated))
            return;
        PromptQueries own = _queries;
        _indexed += count;
        _prefillBuild = Task.Factory.StartNew(() => BuildPrompt(own, first, count), default, TaskCreationOptions.None, _layer.Builders);
    }

    public void Append(int rows)
    {
        _count += rows;
        if (Pending < IvfPqPolicy.SmallestSegment + _layer.Layer % Stagger)
            return;
        int first = _layer.Sinks + _indexed, count = Math.Min(Pending, _policy.IndexOf(_count).SegmentRows);
        Extend(_queries, first, count, first + count);
        // A generation without a prompt has no queries to calibrate with.
        if (_targets.Length == 0)
            _targets = [.. Enumerable.Repeat(HeadCalibration.WithoutSamples((float)_policy.MaxError), _kvHeads)];
    }

    public void Truncate(int rows)
    {
        Settle();
        _count = Math.Min(_count, rows);
        int end = _layer.Sinks + _count;
        foreach (IvfPqIndex? index in _indexes)
            index?.Truncate(end);
        // A segment may end beyond the far rows although the store still has all of its rows: some of them are the window's again.
        _layer.Store.Unpack(_layer.Layer, end);
        _indexed = Math.Max(0, (_indexes[0]?.End ?? 0) - _layer.Sinks);
        Repack();
    }

    public void Settle()
    {
        if (_prefillBuild is not { } build)
            return;
        _prefillBuild = null;
        build.GetAwaiter().GetResult();
    }

    public void Select(in DecodeQuery query, Selection selection)
    {
        Settle();
        if (_indexed == 0)
            return;
        CascadeBudget budget = _policy.Budget(_indexed) with { QuietDiscount = QuietDiscount };
        for (int head = 0; head < _kvHeads; head++)
        {
            AttentionPartial attended = query.AttendedBy(head), estimate = selection.ReserveEstimate(head);
            _searches[head] = new CascadeQuery
            {
                Index = _indexes[head]!,
                Rows = _packed[head],
                Budget = _policy.MaxError > 0 ? budget with { MaxError = _targets[head] } : budget,
                Group = query.Group,
                Queries = query.PointerOf(head),
                ResidentOutput = attended.Output,
                ResidentLogSumExp = attended.LogSumExp,
                Output = estimate.Output,
                LogSumExp = estimate.LogSumExp,
            };
        }
        _bytesRead += _team.Run(_searches);
    }

    /// <summary>A selector over a copy of the rows that shares what is built.</summary>
    public IvfPqSelector Fork(IvfPqPolicy policy, LayerContext layer)
    {
        Settle();
        var fork = new IvfPqSelector(policy, layer)
        {
            _count = _count,
            _indexed = _indexed,
            // The source's prompts go on to change its own.
            _queries = _queries.Copy(),
            _indexes = [.. _indexes.Select(index => index?.Copy())],
        };
        fork.Repack();
        fork._targets = policy.MaxError == _policy.MaxError || _indexed == 0 ? _targets : fork.Targets(fork.Calibrations(_queries, _layer.Sinks + _indexed));
        return fork;
    }

    public void Dispose()
    {
        // What failed in the background no longer matters; that it still reads the store does.
        ((IAsyncResult?)_prefillBuild)?.AsyncWaitHandle.WaitOne();
    }

    private KvKeyRows Keys(int head) => new(_layer.Store, _layer.Layer, head);

    private KvValueRows Values(int head) => new(_layer.Store, _layer.Layer, head);

    /// <summary>Indexes and packs a prompt's rows, and learns from its latest queries what an error target takes.</summary>
    private void BuildPrompt(PromptQueries queries, int first, int count)
    {
        HeadCalibration[] calibrations = Calibrations(queries, first + count);
        if (count > 0)
            Adopt([.. Enumerable.Range(0, _kvHeads).Select(head => Build(head, queries, first, count, first + count))]);
        _targets = Targets(calibrations);
    }

    private HeadCalibration[] Calibrations(PromptQueries queries, int indexedEnd)
        => _policy.MaxError > 0 ? [.. Enumerable.Range(0, _kvHeads).Select(head => new HeadCalibration(_layer, head, queries, indexedEnd))] : [];

    private float[] Targets(HeadCalibration[] calibrations)
    {
        _cascade ??= new Cascade();
        return [.. calibrations.Select((head, i) => head.Find(_cascade, _indexes[i]!, _packed[i], _policy.Budget(_indexes[i]!.End - _layer.Sinks)))];
    }

    /// <summary>Indexes and packs rows at once, on all workers.</summary>
    /// <param name="length">Tokens that the sequence will hold.</param>
    private void Extend(PromptQueries queries, int first, int count, int length)
    {
        var built = new IvfPqSegment[_kvHeads][];
        _layer.Workers.For(_kvHeads, 1, (_, head, _) => built[head] = Build(head, queries, first, count, length));
        Adopt(built, _layer.Workers);
        _indexed += count;
    }

    /// <summary>New segments of a KV head.</summary>
    private IvfPqSegment[] Build(int head, PromptQueries queries, int first, int count, int length)
    {
        KvKeyRows keys = Keys(head);
        KvValueRows values = Values(head);
        IvfPqIndex index = _indexes[head] ??= IvfPqIndex.Prepare(keys, values, first, count, queries.Moments[head], _policy.IndexOf(length));
        return index.Encode(keys, values, first, count);
    }

    /// <summary>Takes new segments into the indexes and packs their rows.</summary>
    /// <param name="workers">Take the KV heads between them; null: the calling thread takes all.</param>
    private void Adopt(IvfPqSegment[][] built, WorkerPool? workers = null)
    {
        for (int s = 0; s < built[0].Length; s++)
            _layer.Store.Pack(_layer.Layer, built[0][s].First, built[0][s].Count, [.. built.Select(head => head[s].Order)], workers);
        for (int head = 0; head < _kvHeads; head++)
            _indexes[head]!.Add(built[head]);
        Repack();
    }

    /// <summary>Finds the packed rows of each segment in the store.</summary>
    private void Repack()
    {
        for (int head = 0; head < _kvHeads; head++)
            _packed[head] = [.. _layer.Store.Segments(_layer.Layer).Select(segment => segment.Rows(head))];
    }
}
