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
    private readonly BudgetThreshold _threshold = new();
    private readonly ListEstimate _estimate = new();
    private float[] _x = [], _scratch = [], _logits = [], _mass = [], _listScores = [], _weights = [], _groupWeights = [], _keyLogits = [], _tile = [];
    private int[] _opened = [], _openedStart = [], _chosen = [], _chosenList = [];
    private ushort[] _sums = [];
    private byte[] _tables = [];
    private int _dim, _group, _lists, _openedCount, _stride, _chosenCount;

    /// <summary>What the last search read.</summary>
    public CascadeBytes Bytes { get; private set; }

    /// <summary>Attention of one token's queries.</summary>
    /// <param name="rows">The packed rows of each segment of the index.</param>
    /// <param name="queries">[group, dim], scaled so that a dot product is a logit.</param>
    /// <param name="resident">[group], log-sum-exp of what is attended to anyway; −∞ if nothing is. Decides what is worth reading.</param>
    /// <param name="output">[group, dim]: the attention over all rows of the index.</param>
    /// <param name="logSumExp">[group]</param>
    public void Run(
        IvfPqIndex index, ReadOnlySpan<PackedRows> rows, ReadOnlySpan<float> queries, ReadOnlySpan<float> resident, CascadeBudget budget, float* output, float* logSumExp)
    {
        _dim = index.Codec.Dim;
        _group = queries.Length / _dim;
        float* total = stackalloc float[_group];
        ScoreLists(index, queries);
        Normalise(resident, total);
        OpenLists(index, budget.Opened);
        ScanCodes(index, total);
        ChooseRows(budget.Keys);
        int keysRead = _chosenCount;
        ReadKeys(index, rows, queries, total);
        KeepRows(budget.Values);
        fixed (float* x = _x)
        {
            _estimate.Begin(index.Codec, x, _group, output);
            _estimate.AddRows(index, rows, new ChosenRows(_chosen.AsSpan(0, _chosenCount), _chosenList, _opened, _openedStart, _weights, _stride), _mass, _lists);
            _estimate.AddLists(index, _mass, _lists, _opened.AsSpan(0, _openedCount));
            _estimate.Finish(total, logSumExp);
        }
        long rowBytes = rows.IsEmpty ? 0 : rows[0].RowBytes;
        Bytes = new CascadeBytes(
            _lists * (long)(_dim + IvfPqCodec.Bands + sizeof(ushort)) + _estimate.MeansRead * (_dim + sizeof(ushort)),
            _stride * (long)(index.Codec.Quantizer.Subspaces / 2), keysRead * rowBytes, _chosenCount * rowBytes);
    }

    /// <summary>Logits and masses of all lists; segments lie one after another.</summary>
    private void ScoreLists(IvfPqIndex index, ReadOnlySpan<float> queries)
    {
        _lists = 0;
        foreach (IvfPqSegment segment in index.Segments)
            _lists += segment.PaddedLists;
        Grow(ref _x, _group * _dim);
        Grow(ref _scratch, _group * Math.Max(_dim, IvfPqCodec.Bands));
        Grow(ref _logits, _group * _lists);
        Grow(ref _mass, _group * _lists);
        Grow(ref _listScores, _lists);
        fixed (float* x = _x, scratch = _scratch, logits = _logits, mass = _mass)
        {
            index.Codec.Transform(queries, x);
            int first = 0;
            foreach (IvfPqSegment segment in index.Segments)
            {
                ListScores.Compute(segment, index.Codec, x, _group, scratch, logits + first, mass + first, _lists);
                first += segment.PaddedLists;
            }
        }
    }

    /// <summary>Masses become shares of each query's whole attention, whose logarithm total receives; a list's score is the sum of its shares.</summary>
    private void Normalise(ReadOnlySpan<float> resident, float* total)
    {
        Span<float> scores = _listScores.AsSpan(0, _lists);
        for (int g = 0; g < _group; g++)
        {
            Span<float> mass = _mass.AsSpan(g * _lists, _lists);
            float max = MathF.Max(TensorPrimitives.Max<float>(mass), resident[g]);
            TensorPrimitives.Subtract(mass, max, mass);
            TensorPrimitives.Exp(mass, mass);
            float sum = TensorPrimitives.Sum<float>(mass) + MathF.Exp(resident[g] - max);
            TensorPrimitives.Multiply(mass, 1 / sum, mass);
            total[g] = max + MathF.Log(sum);
            if (g == 0)
                mass.CopyTo(scores);
            else
                TensorPrimitives.Add(scores, mass, scores);
        }
    }

    /// <summary>Chooses the lists of largest score; their numbers, ascending, and the places of their rows in the scratch memory.</summary>
    private void OpenLists(IvfPqIndex index, int budget)
    {
        Grow(ref _opened, _lists);
        Grow(ref _openedStart, _lists + 1);
        _threshold.Clear();
        var cursor = new SegmentCursor(index);
        while (cursor.Next())
            _threshold.Add(_listScores[cursor.Number], cursor.Rows);
        BudgetCut cut = _threshold.Find(budget);
        _openedCount = _stride = 0;
        cursor = new SegmentCursor(index);
        while (cursor.Next())
        {
            if (!cut.Takes(_listScores[cursor.Number], cursor.Rows))
                continue;
            _opened[_openedCount] = cursor.Number;
            _openedStart[_openedCount++] = _stride;
            _stride += (cursor.Rows + IvfPqSegment.BlockRows - 1) / IvfPqSegment.BlockRows * IvfPqSegment.BlockRows;
        }
        _openedStart[_openedCount] = _stride;
    }

    /// <summary>Weights of the rows of the opened lists from their codes; their sums replace the lists' masses.</summary>
    private void ScanCodes(IvfPqIndex index, float* total)
    {
        IvfPqCodec codec = index.Codec;
        int pairs = codec.Quantizer.Subspaces / 2;
        Grow(ref _weights, _group * _stride);
        Grow(ref _groupWeights, _stride);
        Grow(ref _tables, _group * CodeScan.TableBytes(pairs));
        float* offset = stackalloc float[_group], scale = stackalloc float[_group], shift = stackalloc float[_group], sum = stackalloc float[_group];
        var cursor = new SegmentCursor(index);
        fixed (float* x = _x, weights = _weights, groupWeights = _groupWeights)
        fixed (byte* tables = _tables)
        {
            CodeTables.Build(codec, x, _group, tables, offset, scale);
            for (int i = 0; i < _openedCount; i++)
            {
                cursor.MoveTo(_opened[i]);
                IvfPqSegment segment = cursor.Segment;
                int block = segment.BlockStarts[cursor.List], blocks = segment.BlockStarts[cursor.List + 1] - block, start = _openedStart[i];
                Grow(ref _sums, _group * blocks * IvfPqSegment.BlockRows);
                for (int g = 0; g < _group; g++)
                {
                    shift[g] = _logits[g * _lists + _opened[i]] + offset[g] - total[g];
                    sum[g] = 0;
                }
                fixed (ushort* sums = _sums)
                {
                    int stride = blocks * IvfPqSegment.BlockRows;
                    CodeScan.Sum(segment.Codes.Pointer + (long)block * pairs * IvfPqSegment.BlockRows, blocks, pairs, tables, _group, sums, stride);
                    CodeWeights.Compute(sums, stride, cursor.Rows, _group, shift, scale, weights + start, _stride, groupWeights + start, sum);
                }
                for (int g = 0; g < _group; g++)
                    _mass[g * _lists + _opened[i]] = sum[g];
            }
        }
    }

    /// <summary>Chooses the rows of largest weight, summed over the group.</summary>
    private void ChooseRows(int budget)
    {
        Grow(ref _chosen, Math.Min(budget, _stride));
        Grow(ref _chosenList, Math.Min(budget, _stride));
        _threshold.Clear();
        for (int at = 0; at < _stride; at++)
            _threshold.Add(_groupWeights[at]);
        BudgetCut cut = _threshold.Find(budget);
        _chosenCount = 0;
        for (int i = 0; i < _openedCount; i++)
        {
            for (int at = _openedStart[i]; at < _openedStart[i + 1]; at++)
            {
                if (_groupWeights[at] < cut.Edge || !cut.Takes(_groupWeights[at]))
                    continue;
                _chosen[_chosenCount] = at;
                _chosenList[_chosenCount++] = i;
            }
        }
    }

    /// <summary>Exact weights of the chosen rows replace those of their codes, also in the lists' masses.</summary>
    private void ReadKeys(IvfPqIndex index, ReadOnlySpan<PackedRows> rows, ReadOnlySpan<float> queries, float* total)
    {
        Grow(ref _keyLogits, _group * PackedRows.TileRows);
        Grow(ref _tile, PackedRows.TileRows * _dim);
        var cursor = new SegmentCursor(index);
        fixed (float* tile = _tile, query = queries, logits = _keyLogits)
        {
            for (int first = 0; first < _chosenCount; first += PackedRows.TileRows)
            {
                int some = Math.Min(PackedRows.TileRows, _chosenCount - first);
                for (int i = 0; i < some; i++)
                {
                    int list = _chosenList[first + i];
                    cursor.MoveTo(_opened[list]);
                    rows[cursor.Index].ReadKey(cursor.FirstPlace + _chosen[first + i] - _openedStart[list], tile + i * _dim);
                }
                TileScores.Compute(tile, some, _dim, query, _group, logits, PackedRows.TileRows);
                for (int g = 0; g < _group; g++)
                {
                    Span<float> exact = new(logits + g * PackedRows.TileRows, some);
                    TensorPrimitives.Subtract(exact, total[g], exact);
                    TensorPrimitives.Min(exact, 80, exact);
                    TensorPrimitives.Exp(exact, exact);
                    for (int i = 0; i < some; i++)
                        Replace(g, _chosen[first + i], _opened[_chosenList[first + i]], exact[i]);
                }
            }
        }
    }

    private void Replace(int g, int at, int list, float weight)
    {
        ref float estimate = ref _weights[g * _stride + at];
        _mass[g * _lists + list] += weight - estimate;
        _groupWeights[at] += weight - estimate;
        estimate = weight;
    }

    /// <summary>Keeps those of the chosen rows whose values are worth reading.</summary>
    private void KeepRows(int budget)
    {
        if (budget >= _chosenCount)
            return;
        _threshold.Clear();
        for (int i = 0; i < _chosenCount; i++)
            _threshold.Add(_groupWeights[_chosen[i]]);
        BudgetCut cut = _threshold.Find(budget);
        int kept = 0;
        for (int i = 0; i < _chosenCount; i++)
        {
            if (!cut.Takes(_groupWeights[_chosen[i]]))
                continue;
            _chosen[kept] = _chosen[i];
            _chosenList[kept++] = _chosenList[i];
        }
        _chosenCount = kept;
    }

    private static void Grow<T>(ref T[] array, int length)
    {
        if (array.Length < length)
            array = new T[length + length / 4];
    }
}
