using System.Numerics.Tensors;
using System.Runtime.Intrinsics;
using Retrieval.Index.Kernels;

namespace Retrieval.Index;

/// <summary>
/// Last level of a <see cref="Cascade"/>: the weighted sum of values, of which only some are read. Each list's unread mass takes
/// the list's mean value (the lightest lists that of all), corrected twice, because rows that attract a query are not like the others of their list:
/// <list type="bullet">
/// <item>towards the rows of the list that were read, weighted as they are, by n / (n + <see cref="Prior"/>) for n of them;</item>
/// <item>by xᵀ Cov(y, v), the shift of the mean under weights exp(x · y) if residual keys y and values v are jointly normal: in
/// full in lists that were not opened, in part where the heaviest rows have been taken out.</item>
/// </list>
/// </summary>
internal sealed unsafe class ListEstimate
{
    // Both measured on four real heads (docs/log.md); the minimum is flat.
    private const float Prior = 6;
    private const float OpenedTilt = 0.25f;

    // Lists that weigh next to nothing take the mean of all values instead of their own. These err in all directions, so that squares
    // of masses add up: to this squared, far below what is estimated otherwise.
    private const float QuietShare = 2e-3f;

    // The same as a part of a target for the whole error.
    private const float QuietShareOfTarget = 0.04f;

    private const int RowsOfPart = 192;

    private float[] _shift = [], _sum = [], _tilt = [], _partOutputs = [], _partSums = [];
    private readonly PinnedMemory<float> _listMass = new(), _listWeights = new();

    // Of the chosen rows, and of what they speak for: [quads, stride, 4] and [group, stride].
    private readonly PinnedMemory<float> _quads = new(), _weights = new();

    private readonly PinnedMemory<int> _wanted = new();
    private int[] _partMeans = [];
    private PackedRow* _rows;
    private CascadeQuery _query;
    private ListLevel _lists = null!;
    private int _dim, _group, _count, _listParts;
    private float _whole;

    /// <summary>Parts with rows that are read, after those with lists.</summary>
    public int Parts => _listParts + RowParts.Count(_count, RowsOfPart);

    /// <summary>Lists and groups whose mean value was read.</summary>
    public int MeansRead => TensorPrimitives.Sum<int>(_partMeans.AsSpan(0, _listParts));

    // Whole tiles.
    private int Stride => (_count + PackedRows.TileRows - 1) / PackedRows.TileRows * PackedRows.TileRows;

    /// <param name="lists">Their masses change: what the chosen rows weigh, and what they speak for, is taken out.</param>
    /// <param name="opened">Entries of the lists whose masses come from codes, ascending.</param>
    /// <param name="chosen">The rows whose values are read; they stay where they are until the search is over.</param>
    public void Begin(in CascadeQuery query, ListLevel lists, ReadOnlySpan<int> opened, ChosenRows chosen)
    {
        (_query, _lists, _dim, _group, _count, _listParts) = (query, lists, query.Codec.Dim, query.Group, chosen.Count, GroupParts(lists) + lists.Parts);
        _rows = chosen.Rows;
        Scratch.Grow(ref _shift, _group * _dim);
        Scratch.Grow(ref _sum, _group);
        Scratch.Grow(ref _tilt, _group);
        _quads.Grow((long)QueryQuad.Pad(_group) * Stride);
        _weights.Grow((long)QueryQuad.Pad(_group) * Stride);
        _listMass.Grow(lists.Count);
        _listWeights.Grow(_group * lists.Count);
        _wanted.Grow(lists.Count);
        Scratch.Grow(ref _partOutputs, Parts * _group * _dim);
        Scratch.Grow(ref _partSums, _listParts * _group);
        Scratch.Grow(ref _partMeans, _listParts);
        TakeOut(chosen);
        _whole = Whole();
        Promises.Scale(lists.Mass, 1 - query.Budget.QuietDiscount);
        for (int g = 0; g < _group; g++)
        {
            ReadOnlySpan<float> mass = lists.Mass.Slice(g * lists.Count, lists.Count);
            float inOpened = 0;
            foreach (int list in opened)
                inOpened += mass[list];
            _tilt[g] = -(1 - OpenedTilt) * inOpened;
        }
    }

    /// <summary>Adds the values of one part.</summary>
    public void Add(int part)
    {
        fixed (float* outputs = _partOutputs)
        {
            float* output = outputs + (long)part * _group * _dim;
            new Span<float>(output, _group * _dim).Clear();
            // Beside other parts, not between levels.
            if (part == 0)
                ComputeShift();
            if (part < _listParts)
                AddLists(part, output);
            else
                AddRows(part - _listParts, output);
        }
    }

    /// <summary>Adds up the parts and divides by the sum of weights.</summary>
    /// <param name="total">[group], logarithm of what weights are relative to.</param>
    public void Finish(in CascadeQuery query, float[] total)
    {
        Span<float> all = new(query.Output, _group * _dim);
        all.Clear();
        for (int part = 0; part < Parts; part++)
            TensorPrimitives.Add(all, _partOutputs.AsSpan(part * all.Length, all.Length), all);
        for (int g = 0; g < _group; g++)
        {
            float unread = 0;
            for (int part = 0; part < _listParts; part++)
                unread += _partSums[part * _group + g];
            float sum = _sum[g] + unread;
            Span<float> output = all.Slice(g * _dim, _dim);
            if (sum > 0)
            {
                TensorPrimitives.MultiplyAdd(_shift.AsSpan(g * _dim, _dim), _tilt[g] + unread, output, output);
                TensorPrimitives.Multiply(output, 1 / sum, output);
            }
            query.LogSumExp[g] = sum > 0 ? total[g] + MathF.Log(sum) : float.NegativeInfinity;
        }
    }

    /// <summary>Weights of the chosen rows, with what each speaks for of the unread mass of its list; both leave the list's mass.</summary>
    private void TakeOut(ChosenRows chosen)
    {
        int stride = Stride;
        var quiet = Vector128.Create(1 - _query.Budget.QuietDiscount);
        int* openedOf = chosen.Opened;
        fixed (float* masses = _lists.Mass)
        {
            for (int g = 0; g < _group; g += QueryQuad.Queries)
            {
                Vector128<float>* exact = (Vector128<float>*)chosen.Quads(g), own = (Vector128<float>*)(_quads.Pointer + (long)g * stride);
                float* mass = masses + (long)g * _lists.Count;
                Vector128<float> sum = default;
                for (int first = 0, end; first < chosen.Count; first = end)
                {
                    int opened = openedOf[first], entry = chosen.Entry(first);
                    Vector128<float> read = default, heard = default;
                    for (end = first; end < chosen.Count && openedOf[end] == opened; end++)
                    {
                        Vector128<float> weight = exact[end];
                        read += weight;
                        heard += Heard(weight, quiet);
                    }
                    float* ofList = mass + entry;
                    Vector128<float> rest = end - first == (int)_lists.Sizes[entry] ? default : Vector128.MaxNative(QueryQuad.Load(ofList, _lists.Count) - read, default);
                    Vector128<float> lent = Vector128.GreaterThan(read, default) & (rest * ((end - first) / (end - first + Prior)));
                    // Where all that was read weighs next to nothing, the ratio may be beyond a float although its products are not.
                    Vector128<float> factor = Vector128<float>.One + Vector128.MinNative(lent * quiet / Vector128.MaxNative(heard, Vector128.Create(float.Epsilon)), Vector128.Create(float.MaxValue / 2));
                    QueryQuad.Store(rest - lent, ofList, _lists.Count);
                    for (int i = first; i < end; i++)
                    {
                        own[i] = Heard(exact[i], quiet) * factor;
                        sum += own[i];
                    }
                }
                for (int q = 0; q < Math.Min(QueryQuad.Queries, _group - g); q++)
                    _sum[g + q] = sum[q];
            }
        }
        QueryQuad.FromQuads(_quads.Pointer, _group, stride, _weights.Pointer);
    }

    /// <summary>What rows weigh beside what is not read.</summary>
    private static Vector128<float> Heard(Vector128<float> weight, Vector128<float> quiet)
        => Vector128.ConditionalSelect(Vector128.LessThan(weight, Vector128.Create(Promises.Loud)), weight * quiet, weight);

    private void AddRows(int part, float* output)
    {
        (int begin, int end) = RowParts.Of(_count, RowsOfPart, part);
        // On their way since they were chosen, but perhaps to another core.
        for (int i = begin; i < end; i++)
            _rows[i].PrefetchValue(_dim);
        SingleRows.Add(_rows + begin, end - begin, _dim, _weights.Pointer + begin, Stride, _group, output);
    }

    /// <summary>How far the mean of values moves under each query's weights.</summary>
    private void ComputeShift()
    {
        fixed (float* x = _lists.Queries, covariance = _query.Codec.ValueCovariance, shift = _shift)
            PanelMultiply.Multiply(x, _dim, covariance, _dim, shift, _dim, _group, _dim, _dim, false);
    }

    /// <summary>Groups are few.</summary>
    private static int GroupParts(ListLevel lists) => lists.Groups > 0 ? 1 : 0;

    /// <summary>Adds the masses of groups, or of some lists, times their mean values.</summary>
    private void AddLists(int part, float* output)
    {
        int groupParts = GroupParts(_lists);
        if (part < groupParts)
        {
            ListTable groups = _query.Index.Groups!.Table;
            int* panels = stackalloc int[groups.Panels];
            for (int panel = 0; panel < groups.Panels; panel++)
                panels[panel] = panel * groups.ValueStride;
            AddMeans(part, 0, (byte*)groups.MeanScale(0), panels, groups.Panels, output);
            return;
        }
        (int begin, int end) = _lists.Of(part - groupParts);
        ListTable lists = _query.Index.Lists;
        ReadOnlySpan<int> chosen = _lists.Panels[begin..end];
        int* places = stackalloc int[chosen.Length];
        for (int k = 0; k < chosen.Length; k++)
        {
            lists.PrefetchMeanScale(chosen[k]);
            places[k] = chosen[k] * lists.ValueStride;
        }
        AddMeans(part, _lists.Groups + begin * ListTable.PanelLists, (byte*)lists.MeanScale(0), places, chosen.Length, output);
    }

    /// <summary>Adds the masses of the entries of some panels, times their mean values.</summary>
    /// <param name="memory">What places are relative to.</param>
    /// <param name="panels">[count]: where each panel's values lie.</param>
    private void AddMeans(int part, int entry, byte* memory, int* panels, int count, float* output)
    {
        int entries = count * ListTable.PanelLists;
        Span<float> all = new(_listMass.Pointer + entry, entries);
        all.Clear();
        for (int g = 0; g < _group; g++)
        {
            ReadOnlySpan<float> shares = _lists.Mass.Slice(g * _lists.Count + entry, entries);
            TensorPrimitives.Add(all, shares, all);
            _partSums[part * _group + g] = TensorPrimitives.Sum(shares);
        }
        // Far more than any list weighs that is not read; its square is still a float.
        TensorPrimitives.Multiply(all, 1 / _whole, all);
        TensorPrimitives.Min(all, 1e15f, all);
        TensorPrimitives.Multiply(all, all, all);
        float share = _query.Targeted ? MathF.Min(QuietShare, QuietShareOfTarget * _query.Budget.MaxError) : QuietShare;
        float threshold = ScoreThreshold.ForRest(_listMass.Pointer + entry, entries, share * share / _listParts);
        float* left = stackalloc float[_group], weights = _listWeights.Pointer + entry;
        int* offsets = _wanted.Pointer + entry;
        int wanted;
        // Gathered first, so that the kernel can ask for rows long before it needs them.
        fixed (float* mass = _lists.Mass)
            wanted = WeightedByteRows.Take(_listMass.Pointer + entry, threshold, memory, panels, count, _dim, mass + entry, _lists.Count, _group, offsets, weights, _lists.Count, left);
        WeightedByteRows.Accumulate((sbyte*)memory, offsets, wanted, _dim, weights, _lists.Count, _group, output);
        for (int g = 0; g < _group; g++)
        {
            var own = new Span<float>(output + g * _dim, _dim);
            TensorPrimitives.MultiplyAdd(_query.Codec.ValueMean, left[g], own, own);
        }
        _partMeans[part] = wanted;
    }

    /// <summary>What masses are relative to: the whole attention, but in a sharp head less, and then the rows that were read have nearly all of it.</summary>
    private float Whole()
    {
        float whole = float.PositiveInfinity;
        for (int g = 0; g < _group; g++)
            whole = MathF.Min(whole, MathF.Max(_sum[g], 1));
        return whole;
    }
}
