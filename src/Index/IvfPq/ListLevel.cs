using Retrieval.Index.Kernels;

namespace Retrieval.Index;

/// <summary>
/// First level of a <see cref="Cascade"/>: logits and masses of lists. Of more than twice as many lists as the budget allows only those of the groups that promise most are
/// looked at, see <see cref="ListGroups"/>; the other groups keep the masses that they have as a whole. What has a mass is an <em>entry</em>: first
/// the groups, of which those that were looked into weigh nothing, then lists, ascending, panel after panel.
/// </summary>
internal sealed unsafe class ListLevel
{
    private const int Lanes = ListTable.PanelLists;

    // 256 lists: worth a thread's while.
    private const int PanelsOfPart = 16;

    // So many times as many lists: those of chosen panels, far apart, take twice as long as as many that follow one another.
    private const int GroupsPay = 2;

    // Panels that are scored at a time; those of the next time are asked for before.
    private const int PanelsAtOnce = 8;

    private readonly PinnedMemory<float> _logits = new(), _mass = new(), _scores = new(), _variances = new(), _extremes = new(), _sizes = new();
    private readonly PinnedMemory<float> _groupLogits = new(), _groupMass = new();

    // Numbers of the panels that are looked at.
    private readonly PinnedMemory<int> _panels = new();
    private readonly ListQueries _rounded = new();
    private float[] _queries = [];
    private IvfPqIndex _index = null!;
    private ListTable _table;
    private bool _withVariances;
    private int _panelCount;

    /// <summary>Entries, padding included.</summary>
    public int Count { get; private set; }

    /// <summary>Entries that are groups: the first ones.</summary>
    public int Groups { get; private set; }

    /// <summary>Query heads.</summary>
    public int Group { get; private set; }

    public int Parts => RowParts.Count(_panelCount, PanelsOfPart);

    /// <summary>[group, dim], in the codec's coordinates.</summary>
    public float[] Queries => _queries;

    /// <summary>[group, entries]: logits of the lists' centres.</summary>
    public float* Logits => _logits.Pointer;

    /// <summary>[group, entries]: logarithms of masses until <see cref="Share"/> makes them shares of each query's whole attention.</summary>
    public Span<float> Mass => new(_mass.Pointer, Group * Count);

    /// <summary>[group, entries], if there is an error target: variance of the logits inside a list.</summary>
    public Span<float> Variances => new(_variances.Pointer, Group * Count);

    /// <summary>[entries]: how much a list deserves to be opened.</summary>
    public Span<float> Scores => new(_scores.Pointer, Count);

    /// <summary>[entries]: rows of each list.</summary>
    public float* Sizes => _sizes.Pointer;

    /// <summary>Where a list begins.</summary>
    /// <param name="segment">One that is not behind the list's; receives the list's.</param>
    public ListPlace Place(int entry, ref int segment)
    {
        int panel = _panels.Pointer[(entry - Groups) / Lanes];
        int[] firstLists = _index.FirstLists;
        while (panel * Lanes >= firstLists[segment + 1])
            segment++;
        return _table.Places(panel)[entry % Lanes];
    }

    /// <summary>Panels [begin, end) of a part, of those that are looked at.</summary>
    public (int Begin, int End) Of(int part) => RowParts.Of(_panelCount, PanelsOfPart, part);

    /// <summary>Numbers, ascending, of the panels that are looked at.</summary>
    public ReadOnlySpan<int> Panels => new(_panels.Pointer, _panelCount);

    /// <summary>Chooses the lists that will be looked at.</summary>
    public void Begin(in CascadeQuery query)
    {
        IvfPqCodec codec = query.Codec;
        (_index, _table, Group, _withVariances) = (query.Index, query.Index.Lists, query.Group, query.Targeted);
        Scratch.Grow(ref _queries, Group * codec.Dim);
        fixed (float* x = _queries)
        {
            codec.Transform(new ReadOnlySpan<float>(query.Queries, Group * codec.Dim), x);
            _rounded.Begin(codec, x, Group);
        }
        ListGroups? groups = GroupsFor(query);
        int all = _index.ListSizes.Length / Lanes;
        _panels.Grow(all);
        (Groups, _panelCount) = groups is null ? (0, all) : (groups.Padded, ChooseGroups(groups, query));
        for (int panel = 0; panel < all && groups is null; panel++)
            _panels.Pointer[panel] = panel;
        Lay();
    }

    /// <summary>Scores the lists of one part.</summary>
    public void Score(int part)
    {
        (int begin, int end) = Of(part);
        float* extremes = _extremes.Pointer + (part + 1) * Group * ListScores.ExtremeFloats;
        ListScores.Reset(extremes, Group);
        Prefetch(begin);
        for (int first = begin; first < end; first += PanelsAtOnce)
        {
            // Of the next part too: perhaps another core's, but nearer than memory.
            Prefetch(first + PanelsAtOnce);
            int entry = Groups + first * Lanes;
            ListScores.Compute(
                _table, _panels.Pointer + first, Math.Min(PanelsAtOnce, end - first), _rounded, _logits.Pointer + entry, _mass.Pointer + entry,
                _withVariances ? _variances.Pointer + entry : null, Count, extremes);
        }
    }

    /// <summary>Masses become shares of each query's whole attention, whose logarithm total receives; a list's score is the sum of its shares.</summary>
    /// <param name="resident">[group]: log-sum-exp of what is read anyway.</param>
    /// <param name="total">[group]</param>
    public void Share(float* resident, float[] total)
    {
        for (int g = 0; g < Group; g++)
            total[g] = ListShares.Take(_mass.Pointer + g * Count, Count, Extremes(g), resident[g], _scores.Pointer, first: g == 0);
    }

    /// <summary>Asks the memory for what some panels' scores are made of.</summary>
    private void Prefetch(int first)
    {
        for (int k = first; k < Math.Min(first + PanelsAtOnce, _panelCount); k++)
            _table.PrefetchScores(_panels.Pointer[k]);
    }

    /// <returns>Null: all lists are looked at.</returns>
    private static ListGroups? GroupsFor(in CascadeQuery query)
    {
        // More than so many lists. With padding they are more still, so that groups need not be built to see that there are too few.
        long least = (long)GroupsPay * query.Budget.Lists;
        // An error target is calibrated for lists.
        if (query.Targeted || query.Index.ListSizes.Length <= least)
            return null;
        return query.Index.Groups is { } groups && groups.AllLists > least ? groups : null;
    }

    /// <summary>Scores all groups and chooses those of largest mass.</summary>
    /// <returns>How many.</returns>
    private int ChooseGroups(ListGroups groups, in CascadeQuery query)
    {
        int count = groups.Padded;
        float* extremes = stackalloc float[Group * ListScores.ExtremeFloats];
        float* logits = _groupLogits.Grow(Group * count), mass = _groupMass.Grow(Group * count), shares = _scores.Grow(2 * count) + count;
        ListScores.Reset(extremes, Group);
        ListScores.Compute(groups.Table, null, groups.Table.Panels, _rounded, logits, mass, null, count, extremes);
        for (int g = 0; g < Group; g++)
        {
            new ReadOnlySpan<float>(mass + g * count, count).CopyTo(new Span<float>(shares, count));
            ListShares.Take(shares, count, ListScores.Extremes(extremes + g * ListScores.ExtremeFloats), query.ResidentLogSumExp[g], _scores.Pointer, first: g == 0);
        }
        int most = Math.Max(Lanes, query.Budget.Lists), chosen;
        fixed (float* lists = groups.Lists)
            chosen = ScoreThreshold.Collect(_scores.Pointer, count, ScoreThreshold.ForBudget(_scores.Pointer, lists, count, most), _panels.Grow(count));
        for (int i = 0; i < chosen; i++)
        {
            for (int g = 0; g < Group; g++)
                mass[g * count + _panels.Pointer[i]] = float.NegativeInfinity;
        }
        return chosen;
    }

    /// <summary>Makes room for all entries, and fills in the groups.</summary>
    private void Lay()
    {
        Count = Groups + _panelCount * Lanes;
        _logits.Grow(Group * Count);
        _mass.Grow(QueryQuad.Pad(Group) * Count);
        _scores.Grow(Count);
        _sizes.Grow(Count);
        _extremes.Grow((Parts + 1) * Group * ListScores.ExtremeFloats);
        if (_withVariances)
            _variances.Grow(Group * Count);
        for (int k = 0; k < _panelCount; k++)
            _index.ListSizes.AsSpan(_panels.Pointer[k] * Lanes, Lanes).CopyTo(new Span<float>(_sizes.Pointer + Groups + k * Lanes, Lanes));
        new Span<float>(_sizes.Pointer, Groups).Clear();
        ListScores.Reset(_extremes.Pointer, Group);
        for (int g = 0; g < Group; g++)
        {
            new ReadOnlySpan<float>(_groupMass.Pointer + g * Groups, Groups).CopyTo(new Span<float>(_mass.Pointer + g * Count, Groups));
            ListScores.Extend(_mass.Pointer + g * Count, Groups, _extremes.Pointer + g * ListScores.ExtremeFloats);
        }
    }

    /// <summary>Over the groups and all parts.</summary>
    private (float Least, float Largest) Extremes(int g)
    {
        (float least, float largest) = (float.PositiveInfinity, float.NegativeInfinity);
        for (int part = 0; part <= Parts; part++)
        {
            (float leastOfPart, float largestOfPart) = ListScores.Extremes(_extremes.Pointer + (part * Group + g) * ListScores.ExtremeFloats);
            (least, largest) = (MathF.Min(least, leastOfPart), MathF.Max(largest, largestOfPart));
        }
        return (least, largest);
    }
}
