using System.Numerics.Tensors;
using Retrieval.Index.Kernels;

namespace Retrieval.Index;

/// <summary>
/// Attention over the rows of an <see cref="IvfPqIndex"/> without reading most of them: lists → codes → keys → values. Each level
/// reads what the one before found to matter; what is not read keeps the estimate of the last level that saw it, so that every
/// row contributes. One instance serves one thread; its scratch memory grows to the largest search.
/// </summary>
public sealed unsafe class Cascade
{
    // Weights are relative to the whole attention as lists estimate it; exp(40) leaves room for sums of squares.
    private const float Highest = 40;

    // Three nats: less than that a few rows can differ from their estimates by chance.
    private const float Doubt = 20;

    // Nats between the largest and the least mass of lists; beyond it shares underflow.
    private const float WidestRange = 80;

    private readonly ListEstimate _estimate = new();
    private readonly ErrorTarget _error = new();
    private float[] _x = [], _scratch = [], _logits = [], _mass = [], _listScores = [], _weights = [], _groupWeights = [], _keyLogits = [], _tile = [], _variances = [], _chosenScores = [], _tempered = [], _listSums = [];
    private int[] _opened = [], _openedStart = [], _chosen = [], _chosenList = [], _chosenPlace = [];
    private byte[] _tables = [];
    private int _dim, _group, _lists, _openedCount, _stride, _chosenCount;

    /// <summary>What the last search read.</summary>
    public CascadeBytes Bytes { get; private set; }

    /// <summary>Attention of one token's queries.</summary>
    /// <param name="rows">The packed rows of each segment of the index.</param>
    /// <param name="queries">[group, dim], scaled so that a dot product is a logit.</param>
    /// <param name="resident">What is attended to anyway: it decides what else is worth reading.</param>
    /// <param name="output">[group, dim]: the attention over all rows of the index.</param>
    /// <param name="logSumExp">[group]</param>
    public void Run(
        IvfPqIndex index, ReadOnlySpan<PackedRows> rows, ReadOnlySpan<float> queries, in ResidentAttention resident, CascadeBudget budget, float* output, float* logSumExp)
    {
        _dim = index.Codec.Dim;
        _group = queries.Length / _dim;
        float* total = stackalloc float[_group];
        bool targeted = budget.MaxError > 0;
        ScoreLists(index, queries, targeted);
        Normalise(index, resident.LogSumExp, total);
        if (targeted)
            AimLists(index, resident, budget.MaxError, total, output, logSumExp);
        // Lists of a sharp head say nothing that could close one.
        OpenLists(index, index.Codec.Sharp ? int.MaxValue : budget.Opened, targeted && !index.Codec.Sharp);
        ScanCodes(index, total);
        if (targeted)
            _error.ScoreCodes(index.Codec, _weights, _stride, _groupWeights.AsSpan(0, _stride));
        ChooseRows(index, rows, budget.Keys, targeted);
        int keysRead = _chosenCount;
        ReadKeys(index, rows, queries, total);
        if (targeted)
            AimRows(index.Codec);
        KeepRows(index, rows, budget.Values, targeted);
        fixed (float* x = _x)
        {
            _estimate.Begin(index.Codec, x, _group, output);
            _estimate.AddRows(index, rows, new ChosenRows(_chosen.AsSpan(0, _chosenCount), _chosenPlace, _chosenList, _opened, _weights, _stride), _mass, _lists);
            _estimate.AddLists(index, _mass, _lists, _opened.AsSpan(0, _openedCount));
            _estimate.Finish(total, logSumExp);
        }
        long rowBytes = rows.IsEmpty ? 0 : rows[0].RowBytes;
        Bytes = new CascadeBytes(
            _lists * (long)(_dim + IvfPqCodec.Bands + 2 * sizeof(float)) + _openedCount * 2L * sizeof(int) + _estimate.MeansRead * (long)(_dim + sizeof(float)),
            _stride / CodeScan.BlockRows * (long)CodeScan.BlockBytes(index.Codec.Quantizer.Subspaces), keysRead * rowBytes, _chosenCount * rowBytes);
    }

    /// <summary>Logits and masses of all lists; segments lie one after another.</summary>
    private void ScoreLists(IvfPqIndex index, ReadOnlySpan<float> queries, bool withVariances)
    {
        _lists = 0;
        foreach (IvfPqSegment segment in index.Segments)
            _lists += segment.PaddedLists;
        Grow(ref _x, _group * _dim);
        Grow(ref _scratch, _group * Math.Max(_dim, IvfPqCodec.Bands));
        float* energies = stackalloc float[_group * IvfPqCodec.Bands];
        Grow(ref _logits, _group * _lists);
        Grow(ref _mass, _group * _lists);
        Grow(ref _listScores, _lists);
        if (withVariances)
            Grow(ref _variances, _group * _lists);
        fixed (float* x = _x, scratch = _scratch, logits = _logits, mass = _mass, variances = withVariances ? _variances : null)
        {
            index.Codec.Transform(queries, x);
            int first = 0;
            ListScores.Energies(index.Codec, x, _group, energies);
            for (int s = 0; s < index.Segments.Count; s++)
            {
                IvfPqSegment segment = index.Segments[s];
                if (s + 1 < index.Segments.Count)
                    index.Segments[s + 1].PrefetchLists();
                ListScores.Compute(segment, x, energies, _group, scratch, logits + first, mass + first, variances == null ? null : variances + first, _lists);
                first += segment.PaddedLists;
            }
        }
    }

    /// <summary>Masses become shares of each query's whole attention, whose logarithm total receives; a list's score is the sum of its shares.</summary>
    private void Normalise(IvfPqIndex index, ReadOnlySpan<float> resident, float* total)
    {
        Span<float> scores = _listScores.AsSpan(0, _lists);
        for (int g = 0; g < _group; g++)
        {
            Span<float> mass = _mass.AsSpan(g * _lists, _lists);
            float largest = TensorPrimitives.Max<float>(mass), max = MathF.Max(largest, resident[g]), sum;
            bool sharp = largest - Least(index, mass) > WidestRange;
            if (sharp)
                AddTempered(index, mass, largest, scores, first: g == 0);
            fixed (float* shares = mass)
                sum = VectorExp.Shares(shares, _lists, max) + MathF.Exp(resident[g] - max);
            TensorPrimitives.Multiply(mass, 1 / sum, mass);
            total[g] = max + MathF.Log(sum);
            if (sharp)
                continue;
            if (g == 0)
                mass.CopyTo(scores);
            else
                TensorPrimitives.Add(scores, mass, scores);
        }
    }

    private static float Least(IvfPqIndex index, ReadOnlySpan<float> mass)
    {
        float least = float.PositiveInfinity;
        foreach (IvfPqSegment segment in index.Segments)
        {
            least = MathF.Min(least, TensorPrimitives.Min(mass[..segment.Lists]));
            mass = mass[segment.PaddedLists..];
        }
        return least;
    }

    /// <summary>Scores of a head so sharp that most shares would be 0: the same order, in a range that floats can tell apart.</summary>
    private void AddTempered(IvfPqIndex index, ReadOnlySpan<float> mass, float largest, Span<float> scores, bool first)
    {
        Grow(ref _tempered, _lists);
        Span<float> tempered = _tempered.AsSpan(0, _lists);
        TensorPrimitives.Subtract(mass, largest, tempered);
        TensorPrimitives.Multiply(tempered, WidestRange / (largest - Least(index, mass)), tempered);
        fixed (float* shares = tempered)
            VectorExp.Shares(shares, _lists, 0);
        if (first)
            tempered.CopyTo(scores);
        else
            TensorPrimitives.Add(scores, tempered, scores);
    }

    /// <summary>Scores of lists become what each adds to the expected squared error while it is not opened.</summary>
    private void AimLists(IvfPqIndex index, in ResidentAttention resident, float target, float* total, float* output, float* logSumExp)
    {
        fixed (float* x = _x)
        {
            _estimate.Begin(index.Codec, x, _group, output);
            _estimate.AddLists(index, _mass, _lists, []);
            _estimate.Finish(total, logSumExp);
            _error.Begin(index.Codec, target, x, resident, new Span<float>(output, _group * _dim), new ReadOnlySpan<float>(logSumExp, _group));
        }
        _error.ScoreLists(index, _mass.AsSpan(0, _group * _lists), _variances.AsSpan(0, _group * _lists), _listScores.AsSpan(0, _lists));
    }

    /// <summary>Scores of the chosen rows become what each adds to the expected squared error while its value is not read.</summary>
    private void AimRows(IvfPqCodec codec)
    {
        for (int i = 0; i < _chosenCount; i++)
            _groupWeights[_chosen[i]] = _error.ScoreKey(codec, _weights, _stride, _chosen[i]);
    }

    /// <summary>Chooses the lists of largest score; their numbers, ascending, and the places of their rows in the scratch memory.</summary>
    private void OpenLists(IvfPqIndex index, int most, bool targeted)
    {
        Grow(ref _opened, _lists);
        Grow(ref _openedStart, _lists + 1);
        fixed (float* scores = _listScores, sizes = index.ListSizes)
        fixed (int* opened = _opened)
        {
            float threshold = Threshold(scores, sizes, _lists, most, targeted ? _error.ListLimit : null);
            _openedCount = ScoreThreshold.Collect(scores, _lists, threshold, opened);
        }
        _stride = 0;
        int blockBytes = CodeScan.BlockBytes(index.Codec.Quantizer.Subspaces);
        var cursor = new SegmentCursor(index);
        for (int i = 0; i < _openedCount; i++)
        {
            cursor.MoveTo(_opened[i]);
            _openedStart[i] = _stride;
            _stride += (cursor.Rows + IvfPqSegment.BlockRows - 1) / IvfPqSegment.BlockRows * IvfPqSegment.BlockRows;
            cursor.Segment.PrefetchCodes(cursor.List, blockBytes);
        }
        _openedStart[_openedCount] = _stride;
    }

    /// <summary>Weights of the rows of the opened lists from their codes; their sums replace the lists' masses.</summary>
    private void ScanCodes(IvfPqIndex index, float* total)
    {
        IvfPqCodec codec = index.Codec;
        int subspaces = codec.Quantizer.Subspaces;
        Grow(ref _weights, _group * _stride);
        Grow(ref _groupWeights, _stride);
        Grow(ref _tables, _group * CodeScan.TableBytes(subspaces));
        Grow(ref _listSums, _group * _openedCount);
        float* offset = stackalloc float[_group], scale = stackalloc float[_group], shift = stackalloc float[_group];
        var cursor = new SegmentCursor(index);
        fixed (float* x = _x, weights = _weights, groupWeights = _groupWeights, sums = _listSums)
        fixed (byte* tables = _tables)
        {
            CodeTables.Build(codec, x, _group, MathF.Log(Math.Max(_stride, 1)), tables, offset, scale);
            for (int i = 0; i < _openedCount; i++)
            {
                cursor.MoveTo(_opened[i]);
                for (int g = 0; g < _group; g++)
                    shift[g] = _logits[g * _lists + _opened[i]] + offset[g] - total[g];
                byte* codes = cursor.Segment.Codes.Pointer + (long)cursor.Segment.BlockStarts[cursor.List] * CodeScan.BlockBytes(subspaces);
                CodeScan.Logits(codes, cursor.Rows, subspaces, tables, _group, shift, scale, weights + _openedStart[i], _stride);
            }
            float* moved = stackalloc float[_group];
            for (int g = 0; g < _group && _stride > 0; g++)
                moved[g] = Recentre(_weights.AsSpan(g * _stride, _stride), ref total[g]);
            new Span<float>(sums, _group * _openedCount).Clear();
            for (int i = 0; i < _openedCount; i++)
            {
                int start = _openedStart[i];
                CodeWeights.Compute(weights + start, _stride, _openedStart[i + 1] - start, _group, groupWeights + start, sums + i * _group);
            }
            for (int g = 0; g < _group && _openedCount > 0; g++)
                ReplaceMasses(g, moved[g]);
        }
    }

    /// <summary>Moves logits, and the total that they are relative to, where their exponentials are floats.</summary>
    /// <returns>How far.</returns>
    private static float Recentre(Span<float> logits, ref float total)
    {
        float largest = TensorPrimitives.Max<float>(logits), by = largest > Highest ? largest - Highest : largest < -Highest ? largest : 0;
        if (by == 0 || !float.IsFinite(by))
            return 0;
        TensorPrimitives.Subtract(logits, by, logits);
        total += by;
        return by;
    }

    /// <summary>
    /// Sums over codes replace the masses of the opened lists. If they are far below what the lists promised, so will be those
    /// of the lists that stay closed: lists of sharp heads see a few logits spread by tens of nats and expect too much of them.
    /// </summary>
    private void ReplaceMasses(int g, float moved)
    {
        Span<float> mass = _mass.AsSpan(g * _lists, _lists);
        float promised = 0, found = 0;
        for (int i = 0; i < _openedCount; i++)
        {
            promised += mass[_opened[i]];
            found += _listSums[i * _group + g];
        }
        Scale(mass, Correction(promised, TensorPrimitives.Sum<float>(mass), found, moved));
        for (int i = 0; i < _openedCount; i++)
            mass[_opened[i]] = _listSums[i * _group + g];
    }

    private static void Scale(Span<float> estimates, float factor)
    {
        if (factor == 1)
            return;
        TensorPrimitives.Multiply(estimates, factor, estimates);
        // What an estimate can still be believed to weigh beside rows that were read.
        TensorPrimitives.Min(estimates, 1e15f, estimates);
    }

    /// <summary>
    /// What the other estimates are multiplied with when a part of them, relative to a total that has moved since, was found to be
    /// something else than promised. A small part says nothing about the rest.
    /// </summary>
    private static float Correction(float promised, float all, float found, float moved)
    {
        float unchanged = MathF.Exp(MathF.Min(-moved, 80));
        return promised > all / 2 ? MathF.Min(unchanged, Doubt * found / promised) : unchanged;
    }

    /// <summary>Chooses the rows of largest score.</summary>
    private void ChooseRows(IvfPqIndex index, ReadOnlySpan<PackedRows> rows, int most, bool targeted)
    {
        most = Math.Min(most, _stride);
        Grow(ref _chosen, most);
        Grow(ref _chosenList, most);
        Grow(ref _chosenPlace, most);
        fixed (float* scores = _groupWeights)
        fixed (int* chosen = _chosen)
        {
            float threshold = Threshold(scores, null, _stride, most, targeted ? _error.CodeLimit : null);
            _chosenCount = ScoreThreshold.Collect(scores, _stride, threshold, chosen);
        }
        var cursor = new SegmentCursor(index);
        for (int i = 0, list = -1, end = 0, first = 0; i < _chosenCount; i++)
        {
            while (_chosen[i] >= end)
            {
                end = _openedStart[++list + 1];
                cursor.MoveTo(_opened[list]);
                first = cursor.FirstPlace - _openedStart[list];
            }
            _chosenList[i] = list;
            _chosenPlace[i] = first + _chosen[i];
            rows[cursor.Index].PrefetchKey(_chosenPlace[i]);
        }
    }

    /// <summary>Exact weights of the chosen rows replace those of their codes, also in the lists' masses.</summary>
    private void ReadKeys(IvfPqIndex index, ReadOnlySpan<PackedRows> rows, ReadOnlySpan<float> queries, float* total)
    {
        // Whole tiles: a tile's logits may end beyond the last row.
        int stride = (_chosenCount + PackedRows.TileRows - 1) / PackedRows.TileRows * PackedRows.TileRows;
        Grow(ref _keyLogits, _group * stride);
        Grow(ref _tile, PackedRows.TileRows * _dim);
        var cursor = new SegmentCursor(index);
        fixed (float* tile = _tile, query = queries, logits = _keyLogits)
        {
            for (int first = 0; first < _chosenCount; first += PackedRows.TileRows)
            {
                int some = Math.Min(PackedRows.TileRows, _chosenCount - first);
                for (int i = 0; i < some; i++)
                {
                    cursor.MoveTo(_opened[_chosenList[first + i]]);
                    rows[cursor.Index].ReadKey(_chosenPlace[first + i], tile + i * _dim);
                }
                TileScores.Compute(tile, some, _dim, query, _group, logits + first, stride);
            }
        }
        for (int g = 0; g < _group && _chosenCount > 0; g++)
            Replace(g, _keyLogits.AsSpan(g * stride, _chosenCount), ref total[g]);
        SumChosenLists();
    }

    /// <summary>Logits of one query for the chosen rows become their weights; if codes promised far more, the other rows are corrected.</summary>
    private void Replace(int g, Span<float> exact, ref float total)
    {
        TensorPrimitives.Subtract(exact, total, exact);
        float moved = Recentre(exact, ref total), promised = 0, found;
        fixed (float* logits = exact)
            found = VectorExp.Shares(logits, exact.Length, 0);
        Span<float> weights = _weights.AsSpan(g * _stride, _stride), mass = _mass.AsSpan(g * _lists, _lists);
        foreach (int at in _chosen.AsSpan(0, exact.Length))
            promised += weights[at];
        float factor = Correction(promised, TensorPrimitives.Sum<float>(mass), found, moved);
        Scale(weights, factor);
        Scale(mass, factor);
        for (int i = 0; i < exact.Length; i++)
        {
            int at = _chosen[i];
            _groupWeights[at] = g == 0 ? exact[i] : _groupWeights[at] + exact[i];
            weights[at] = exact[i];
        }
    }

    /// <summary>Masses of the lists of chosen rows, summed anew: a code that misled badly would leave its rounding error if it were subtracted.</summary>
    private void SumChosenLists()
    {
        for (int i = 0; i < _chosenCount; i++)
        {
            int list = _chosenList[i];
            if (i > 0 && _chosenList[i - 1] == list)
                continue;
            int start = _openedStart[list], count = _openedStart[list + 1] - start;
            for (int g = 0; g < _group; g++)
                _mass[g * _lists + _opened[list]] = TensorPrimitives.Sum<float>(_weights.AsSpan(g * _stride + start, count));
        }
    }

    /// <summary>Keeps those of the chosen rows whose values are worth reading.</summary>
    private void KeepRows(IvfPqIndex index, ReadOnlySpan<PackedRows> rows, int most, bool targeted)
    {
        Grow(ref _chosenScores, _chosenCount);
        for (int i = 0; i < _chosenCount; i++)
            _chosenScores[i] = _groupWeights[_chosen[i]];
        float threshold;
        fixed (float* scores = _chosenScores)
            threshold = Threshold(scores, null, _chosenCount, most, targeted ? _error.KeyLimit : null);
        int kept = 0;
        var cursor = new SegmentCursor(index);
        for (int i = 0; i < _chosenCount; i++)
        {
            if (_chosenScores[i] < threshold)
                continue;
            cursor.MoveTo(_opened[_chosenList[i]]);
            rows[cursor.Index].PrefetchValue(_chosenPlace[i]);
            _chosen[kept] = _chosen[i];
            _chosenPlace[kept] = _chosenPlace[i];
            _chosenList[kept++] = _chosenList[i];
        }
        _chosenCount = kept;
    }

    /// <summary>The score from which on to read: what an error target wants (null: there is none), but not more than a budget.</summary>
    private static float Threshold(float* scores, float* weights, int count, int budget, double? rest)
    {
        if (rest is { } limit)
        {
            float threshold = ScoreThreshold.ForRest(scores, count, (float)limit);
            if (ScoreThreshold.SumFrom(scores, weights, count, threshold) <= budget)
                return threshold;
        }
        return ScoreThreshold.ForBudget(scores, weights, count, budget);
    }

    private static void Grow<T>(ref T[] array, int length)
    {
        if (array.Length < length)
            array = new T[length + length / 4];
    }
}
