using System.Numerics.Tensors;
using Retrieval.Index.Kernels;

namespace Retrieval.Index;

/// <summary>
/// The search of an <see cref="IvfPqKeyIndex"/>: lists → codes → exact keys. At each level counts which share of the attention
/// something has; what is not looked at takes part in the whole with the estimate of the level before, so that shares stay
/// comparable between queries. One instance serves one thread; its scratch memory grows to the largest search.
/// </summary>
internal sealed unsafe class KeySearch
{
    private float[] _x = [], _scratch = [], _logits = [], _mass = [], _rest = [], _codeLogits = [], _shares = [], _exact = [], _tile = [];
    private int[] _opened = [], _openedStart = [], _sizes = [], _rowNumbers = [];
    private float[] _blockLogits = [];
    private byte[] _tables = [];
    private readonly ListQueries _rounded = new();
    private Hit[] _chosen = [];
    private int _dim, _group, _lists, _openedCount, _openedRows, _rows;

    /// <summary>The k best of the rows of an index and of those behind it, in order of their numbers.</summary>
    /// <param name="index">Null: all rows are scanned.</param>
    /// <param name="tailFirst">Number of the first row that is scanned, after all rows of the index.</param>
    /// <param name="opened">Rows, at least, whose codes are read.</param>
    /// <param name="keys">Rows of the index whose keys are read, at least k.</param>
    public int Run(IvfPqIndex? index, IKeyRows source, int tailFirst, int tailCount, ReadOnlySpan<float> queries, int k, int opened, int keys, Span<Hit> hits)
    {
        _dim = source.Dim;
        _group = queries.Length / _dim;
        _rows = 0;
        Grow(ref _rest, _group);
        _rest.AsSpan(0, _group).Fill(float.NegativeInfinity);
        if (index is not null)
        {
            ScoreLists(index, queries);
            OpenLists(index, opened);
            ScanCodes(index);
            ChooseRows(index, keys);
        }
        Grow(ref _rowNumbers, _rows + tailCount);
        for (int i = 0; i < tailCount; i++)
            _rowNumbers[_rows++] = tailFirst + i;
        return Rank(source, queries, k, hits);
    }

    /// <summary>Logits and masses of all lists; segments lie one after another.</summary>
    private void ScoreLists(IvfPqIndex index, ReadOnlySpan<float> queries)
    {
        _lists = index.ListSizes.Length;
        Grow(ref _x, _group * _dim);
        float* extremes = stackalloc float[_group * ListScores.ExtremeFloats];
        Grow(ref _logits, _group * _lists);
        Grow(ref _mass, _group * _lists);
        fixed (float* x = _x, logits = _logits, mass = _mass)
        {
            index.Codec.Transform(queries, x);
            _rounded.Begin(index.Codec, x, _group);
            ListScores.Compute(index.Lists, null, index.Lists.Panels, _rounded, logits, mass, null, _lists, extremes);
        }
    }

    /// <summary>Opens the lists of largest share until they hold as many rows as asked for; the masses of the others are the rest.</summary>
    private void OpenLists(IvfPqIndex index, int opened)
    {
        Grow(ref _opened, _lists);
        Grow(ref _openedStart, _lists + 1);
        Grow(ref _sizes, _lists);
        LogShares(_mass, _lists);
        int lists = 0;
        for (var cursor = new SegmentCursor(index); cursor.Next(); lists++)
        {
            // Padding drops out: numbers grow at least as fast as their count.
            _opened[lists] = cursor.Number;
            _sizes[cursor.Number] = cursor.Rows;
            _shares[lists] = -_shares[cursor.Number];
        }
        Array.Sort(_shares, _opened, 0, lists);
        _openedCount = _openedRows = 0;
        while (_openedRows < opened)
            _openedRows += _sizes[_opened[_openedCount++]];
        Array.Sort(_opened, 0, _openedCount);
        for (int i = 0, start = 0; i < _openedCount; i++)
        {
            _openedStart[i] = start;
            start += _sizes[_opened[i]];
            for (int g = 0; g < _group; g++)
                _mass[g * _lists + _opened[i]] = float.NegativeInfinity;
        }
        _openedStart[_openedCount] = _openedRows;
        for (int g = 0; g < _group; g++)
            _rest[g] = LogSumExp(_mass.AsSpan(g * _lists, _lists), float.NegativeInfinity);
    }

    /// <summary>Logits of the rows of the opened lists from their codes, [group, opened rows].</summary>
    private void ScanCodes(IvfPqIndex index)
    {
        IvfPqCodec codec = index.Codec;
        int subspaces = codec.Quantizer.Subspaces;
        Grow(ref _codeLogits, _group * _openedRows);
        Grow(ref _tables, _group * CodeScan.TableBytes(subspaces));
        float* offset = stackalloc float[_group], scale = stackalloc float[_group], shift = stackalloc float[_group];
        var cursor = new SegmentCursor(index);
        fixed (float* x = _x)
        fixed (byte* tables = _tables)
        {
            CodeTables.Build(codec, x, _group, MathF.Log(Math.Max(_openedRows, 1)), tables, offset, scale);
            for (int i = 0; i < _openedCount; i++)
            {
                cursor.MoveTo(_opened[i]);
                int block = cursor.Segment.BlockStarts[cursor.List], stride = (cursor.Segment.BlockStarts[cursor.List + 1] - block) * IvfPqSegment.BlockRows;
                Grow(ref _blockLogits, _group * stride);
                for (int g = 0; g < _group; g++)
                    shift[g] = _logits[g * _lists + _opened[i]] + offset[g];
                fixed (float* logits = _blockLogits)
                {
                    CodeScan.Logits(
                        cursor.Segment.Codes.Pointer + (long)block * CodeScan.BlockBytes(subspaces), cursor.Rows, subspaces, tables, _group, shift, scale, logits, stride);
                }
                for (int g = 0; g < _group; g++)
                    _blockLogits.AsSpan(g * stride, cursor.Rows).CopyTo(_codeLogits.AsSpan(g * _openedRows + _openedStart[i]));
            }
        }
    }

    /// <summary>Chooses the rows whose keys are read: their numbers, ascending. The others add to the rest.</summary>
    private void ChooseRows(IvfPqIndex index, int keys)
    {
        LogShares(_codeLogits, _openedRows);
        Grow(ref _chosen, Math.Min(keys, _openedRows));
        int count = TopK.Select(_shares.AsSpan(0, _openedRows), _scratch, keys, 0, _chosen);
        Grow(ref _rowNumbers, count);
        var cursor = new SegmentCursor(index);
        for (int i = 0, list = 0; i < count; i++)
        {
            int at = _chosen[i].Row;
            while (at >= _openedStart[list + 1])
                list++;
            cursor.MoveTo(_opened[list]);
            _rowNumbers[_rows++] = cursor.Segment.First + cursor.Segment.Order[cursor.FirstPlace + at - _openedStart[list]];
            for (int g = 0; g < _group; g++)
                _codeLogits[g * _openedRows + at] = float.NegativeInfinity;
        }
        for (int g = 0; g < _group; g++)
            _rest[g] = LogSumExp(_codeLogits.AsSpan(g * _openedRows, _openedRows), _rest[g]);
        Array.Sort(_rowNumbers, 0, _rows);
    }

    /// <summary>Reads the keys of the chosen rows and of the tail and keeps the best.</summary>
    private int Rank(IKeyRows source, ReadOnlySpan<float> queries, int k, Span<Hit> hits)
    {
        // Whole groups of eight: the kernel sums those in one order, so that equal rows have equal logits.
        int columns = (_rows + 8) / 8 * 8;
        Grow(ref _exact, _group * columns);
        Grow(ref _scratch, columns);
        Grow(ref _tile, PackedRows.TileRows * _dim);
        fixed (float* tile = _tile, query = queries, exact = _exact)
        {
            for (int first = 0, some; first < _rows; first += some)
            {
                some = Math.Min(PackedRows.TileRows, _rows - first);
                for (int i = 0, run; i < some; i += run)
                {
                    int row = _rowNumbers[first + i];
                    for (run = 1; i + run < some && _rowNumbers[first + i + run] == row + run;)
                        run++;
                    source.Read(row, run, tile + i * _dim);
                }
                TileScores.Compute(tile, (some + 7) / 8 * 8, _dim, query, _group, exact + first, columns);
            }
        }
        for (int g = 0; g < _group; g++)
        {
            Span<float> beyond = _exact.AsSpan(g * columns + _rows, columns - _rows);
            beyond.Fill(float.NegativeInfinity);
            beyond[0] = _rest[g];
        }
        GroupWeights.Sum(_exact, _group, columns);
        int found = TopK.Select(_exact.AsSpan(0, _rows), _scratch, k, 0, hits);
        for (int i = 0; i < found; i++)
            hits[i] = new Hit(_rowNumbers[hits[i].Row], hits[i].Score);
        return found;
    }

    /// <summary>
    /// The logarithm of each column's largest share of a query's attention, max_g (logit − ln Σ exp(logit)), to _shares. Differs
    /// from the sum over the group by less than the estimates do, and does not underflow, however large logits are.
    /// </summary>
    /// <param name="logits">[group, count]</param>
    private void LogShares(float[] logits, int count)
    {
        Grow(ref _shares, count);
        Grow(ref _scratch, count);
        Span<float> shares = _shares.AsSpan(0, count), scratch = _scratch.AsSpan(0, count);
        for (int g = 0; g < _group; g++)
        {
            ReadOnlySpan<float> row = logits.AsSpan(g * count, count);
            row.CopyTo(scratch);
            float whole = LogSumExp(scratch, _rest[g]);
            TensorPrimitives.Subtract(row, whole, scratch);
            if (g == 0)
                scratch.CopyTo(shares);
            else
                TensorPrimitives.Max(shares, scratch, shares);
        }
        // Overflow, which takes an absurd index or query, must not end in the selection, which knows no NaN.
        TensorPrimitives.MaxNumber(shares, float.MinValue, shares);
    }

    /// <summary>ln(Σ exp(logits) + exp(other)); −∞ where that overflows. The logits are spoilt.</summary>
    private static float LogSumExp(Span<float> logits, float other)
    {
        float max = MathF.Max(other, TensorPrimitives.Max<float>(logits));
        if (float.IsNegativeInfinity(max))
            return max;
        TensorPrimitives.Subtract(logits, max, logits);
        TensorPrimitives.Exp(logits, logits);
        float sum = max + MathF.Log(TensorPrimitives.Sum<float>(logits) + MathF.Exp(other - max));
        return float.IsFinite(sum) ? sum : float.NegativeInfinity;
    }

    private static void Grow<T>(ref T[] array, int length)
    {
        if (array.Length < length)
            Array.Resize(ref array, length + length / 4);
    }
}
