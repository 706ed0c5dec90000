using System.Numerics.Tensors;
using Retrieval.Index.Kernels;

namespace Retrieval.Index;

/// <summary>Third level of a <see cref="Cascade"/>: exact weights of the rows whose codes promise most.</summary>
internal sealed unsafe class KeyLevel
{
    private const int RowsOfPart = 128;

    private float[] _logits = [], _scores = [];
    private int[] _at = [];
    private ChosenRow[] _rows = [];
    private CascadeQuery _query;
    private ListLevel _lists = null!;
    private OpenedLists _opened = null!;
    private CodeLevel _codes = null!;

    /// <summary>Rows whose keys are read; after <see cref="Keep"/>, whose values are.</summary>
    public int Count { get; private set; }

    public int Parts => RowParts.Count(Count, RowsOfPart);

    public ChosenRows Chosen => new(_rows.AsSpan(0, Count), _opened.Numbers, _codes.Weights, _opened.Stride);

    // Whole tiles: a tile's logits may end beyond the last row.
    private int Stride => (Count + PackedRows.TileRows - 1) / PackedRows.TileRows * PackedRows.TileRows;

    /// <summary>Chooses the rows of largest score.</summary>
    /// <param name="rest">Sum of the scores that may stay unread; null: only the budget counts.</param>
    public void Choose(in CascadeQuery query, ListLevel lists, OpenedLists opened, CodeLevel codes, double? rest)
    {
        (_query, _lists, _opened, _codes) = (query, lists, opened, codes);
        int most = Math.Min(query.Budget.Keys, opened.Stride);
        Scratch.Grow(ref _rows, most);
        Scratch.Grow(ref _at, most);
        fixed (float* scores = codes.Scores)
        fixed (int* at = _at)
            Count = ScoreThreshold.Collect(scores, opened.Stride, ErrorTarget.Threshold(scores, null, opened.Stride, most, rest), at);
        Scratch.Grow(ref _logits, query.Group * Stride);
        var cursor = new SegmentCursor(query.Index);
        for (int i = 0, list = -1, end = 0, first = 0; i < Count; i++)
        {
            while (_at[i] >= end)
            {
                end = opened.Starts[++list + 1];
                cursor.MoveTo(opened.Numbers[list]);
                first = cursor.FirstPlace - opened.Starts[list];
            }
            _rows[i] = new ChosenRow(_at[i], list, cursor.Index, first + _at[i]);
        }
    }

    /// <summary>Exact logits of the rows of one part.</summary>
    public void Read(int part)
    {
        int dim = _query.Codec.Dim;
        (int begin, int end) = RowParts.Of(Count, RowsOfPart, part);
        float* tile = stackalloc float[PackedRows.TileRows * dim];
        Prefetch(begin);
        fixed (float* logits = _logits)
        {
            for (int first = begin; first < end; first += PackedRows.TileRows)
            {
                Prefetch(first + PackedRows.TileRows);
                int some = Math.Min(PackedRows.TileRows, end - first);
                for (int i = 0; i < some; i++)
                {
                    ChosenRow row = _rows[first + i];
                    _query.Rows[row.Segment].ReadKey(row.Place, tile + i * dim);
                }
                TileScores.Compute(tile, some, dim, _query.Queries, _query.Group, logits + first, Stride);
            }
        }
    }

    /// <summary>Exact weights replace those of the codes, also in the lists' masses.</summary>
    public void ReplaceWeights(float[] total)
    {
        for (int g = 0; g < _query.Group && Count > 0; g++)
            Replace(g, _logits.AsSpan(g * Stride, Count), ref total[g]);
        SumLists();
    }

    /// <summary>Scores of the rows become what each adds to the expected squared error while its value is not read.</summary>
    public void Aim(ErrorTarget error)
    {
        foreach (ChosenRow row in _rows.AsSpan(0, Count))
            _codes.Scores[row.At] = error.ScoreKey(_query.Codec, _codes.Weights, _opened.Stride, row.At);
    }

    /// <summary>Keeps the rows whose values are worth reading.</summary>
    public void Keep(int most, double? rest)
    {
        Scratch.Grow(ref _scores, Count);
        for (int i = 0; i < Count; i++)
            _scores[i] = _codes.Scores[_rows[i].At];
        float threshold;
        fixed (float* scores = _scores)
            threshold = ErrorTarget.Threshold(scores, null, Count, most, rest);
        int kept = 0;
        for (int i = 0; i < Count; i++)
        {
            if (_scores[i] >= threshold)
                _rows[kept++] = _rows[i];
        }
        Count = kept;
    }

    /// <summary>Asks the memory for a tile's keys.</summary>
    private void Prefetch(int first)
    {
        for (int i = first, end = Math.Min(first + PackedRows.TileRows, Count); i < end; i++)
            _query.Rows[_rows[i].Segment].PrefetchKey(_rows[i].Place);
    }

    /// <summary>Logits of one query for the chosen rows become their weights; if codes promised far more, the other rows are corrected.</summary>
    private void Replace(int g, Span<float> exact, ref float total)
    {
        TensorPrimitives.Subtract(exact, total, exact);
        Span<float> weights = _codes.Weights.AsSpan(g * _opened.Stride, _opened.Stride), mass = _lists.Mass.Slice(g * _lists.Count, _lists.Count);
        ReadOnlySpan<ChosenRow> rows = _rows.AsSpan(0, exact.Length);
        fixed (float* logits = exact, weight = weights, score = _codes.Scores)
        {
            float moved = Promises.Recentre(exact, CodeWeights.Largest(logits, exact.Length), ref total), promised = 0, found;
            found = VectorExp.Shares(logits, exact.Length, 0);
            foreach (ChosenRow row in rows)
                promised += weight[row.At];
            float factor = Promises.Correction(promised, TensorPrimitives.Sum<float>(mass), found, moved);
            Promises.Scale(weights, factor);
            Promises.Scale(mass, factor);
            for (int i = 0; i < rows.Length; i++)
            {
                int at = rows[i].At;
                score[at] = g == 0 ? logits[i] : score[at] + logits[i];
                weight[at] = logits[i];
            }
        }
    }

    /// <summary>Masses of the lists of chosen rows, summed anew: a code that misled badly would leave its rounding error if it were subtracted.</summary>
    private void SumLists()
    {
        ReadOnlySpan<int> starts = _opened.Starts, numbers = _opened.Numbers;
        fixed (float* weights = _codes.Weights, mass = _lists.Mass)
        {
            for (int i = 0, last = -1; i < Count; i++)
            {
                int list = _rows[i].Opened;
                if (list == last)
                    continue;
                last = list;
                int start = starts[list], count = starts[list + 1] - start;
                for (int g = 0; g < _query.Group; g++)
                    mass[g * _lists.Count + numbers[list]] = CodeWeights.Sum(weights + g * _opened.Stride + start, count);
            }
        }
    }
}
