using System.Numerics.Tensors;
using Retrieval.Index.Kernels;

namespace Retrieval.Index;

/// <summary>Third level of a <see cref="Cascade"/>: exact weights of the rows whose codes promise most.</summary>
internal sealed unsafe class KeyLevel
{
    private const int RowsOfPart = 192;

    private readonly PinnedMemory<float> _worth = new(), _promised = new();

    // Exact: [group, stride], first logits, then weights.
    private readonly PinnedMemory<float> _weights = new();
    private float[] _scores = [];
    private int _stride;
    private int[] _at = [];
    private ChosenRow[] _rows = [];
    private CascadeQuery _query;
    private ListLevel _lists = null!;
    private OpenedLists _opened = null!;
    private CodeLevel _codes = null!;

    /// <summary>Rows whose keys are read; after <see cref="Keep"/>, whose values are.</summary>
    public int Count { get; private set; }

    public int Parts => RowParts.Count(Count, RowsOfPart);

    public ChosenRows Chosen => new(_rows.AsSpan(0, Count), _opened.Numbers, _weights.Pointer, _stride);

    /// <summary>Chooses the rows of largest score.</summary>
    /// <param name="rest">Sum of the scores that may stay unread; null: only the budget counts.</param>
    public void Choose(in CascadeQuery query, ListLevel lists, OpenedLists opened, CodeLevel codes, double? rest)
    {
        (_query, _lists, _opened, _codes) = (query, lists, opened, codes);
        int most = Math.Min(query.Budget.Keys, codes.Stride);
        Scratch.Grow(ref _rows, most);
        Scratch.Grow(ref _at, codes.Stride);
        fixed (float* scores = codes.Scores, weights = codes.Weights)
        fixed (int* at = _at)
        {
            float least = query.Budget.LeastWeight(query.Codec);
            float threshold = rest is null
                ? ScoreThreshold.ForBudget(scores, codes.Stride, most, least, _worth.Grow(codes.Stride))
                : ErrorTarget.Threshold(scores, null, codes.Stride, most, rest, least);
            Count = ScoreThreshold.Collect(scores, codes.Stride, threshold, at);
            _promised.Grow((long)query.Group * codes.Stride);
            for (int g = 0; g < query.Group; g++)
                CodeWeights.Gather(scores, threshold, weights + (long)g * codes.Stride, codes.Stride, Promised(g));
        }
        // Whole tiles: a tile's logits may end beyond the last row.
        _stride = (Count + PackedRows.TileRows - 1) / PackedRows.TileRows * PackedRows.TileRows;
        _weights.Grow((long)query.Group * _stride);
        Scratch.Grow(ref _scores, Count);
        var cursor = new SegmentCursor(query.Index);
        PackedRows packed = default;
        for (int i = 0, list = -1, end = 0, first = 0; i < Count; i++)
        {
            int place = codes.Place(_at[i]);
            if (place >= end)
            {
                while (place >= end)
                    end = opened.Starts[++list + 1];
                cursor.MoveTo(opened.Numbers[list]);
                first = cursor.FirstPlace - opened.Starts[list];
                packed = query.Rows[cursor.Index];
            }
            _rows[i] = new ChosenRow(list, packed[first + place]);
        }
    }

    /// <summary>Exact logits of the rows of one part.</summary>
    public void Read(int part)
    {
        int dim = _query.Codec.Dim;
        (int begin, int end) = RowParts.Of(Count, RowsOfPart, part);
        float* tile = stackalloc float[PackedRows.TileRows * dim];
        Prefetch(begin);
        for (int first = begin; first < end; first += PackedRows.TileRows)
        {
            Prefetch(first + PackedRows.TileRows);
            int some = Math.Min(PackedRows.TileRows, end - first);
            for (int i = 0; i < some; i++)
                _rows[first + i].Row.ReadKey(dim, tile + i * dim);
            TileScores.Compute(tile, some, dim, _query.Queries, _query.Group, _weights.Pointer + first, _stride);
        }
    }

    /// <summary>Exact weights replace those of the codes, also in the lists' masses.</summary>
    public void ReplaceWeights(float[] total)
    {
        Span<float> scores = _scores.AsSpan(0, Count);
        scores.Clear();
        for (int g = 0; g < _query.Group && Count > 0; g++)
        {
            Span<float> exact = new(_weights.Pointer + (long)g * _stride, Count);
            Replace(g, exact, ref total[g]);
            TensorPrimitives.Add(scores, exact, scores);
        }
        ReplaceMasses();
    }

    /// <summary>Scores of the rows become what each adds to the expected squared error while its value is not read.</summary>
    public void Aim(ErrorTarget error)
    {
        for (int i = 0; i < Count; i++)
            _scores[i] = error.ScoreKey(_query.Codec, _weights.Pointer, _stride, i);
    }

    /// <summary>Keeps the rows whose values are worth reading.</summary>
    public void Keep(int most, double? rest)
    {
        int kept = 0;
        float* weights = _weights.Pointer;
        fixed (float* scores = _scores)
        {
            float threshold = ErrorTarget.Threshold(scores, null, Count, most, rest, _query.Budget.LeastWeight(_query.Codec));
            for (int i = 0; i < Count; i++)
            {
                // Moved in any case: whether it stays is a coin's toss, which a branch would guess wrongly.
                _rows[kept] = _rows[i];
                for (int g = 0; g < _query.Group; g++)
                    weights[g * _stride + kept] = weights[g * _stride + i];
                kept += scores[i] >= threshold ? 1 : 0;
            }
        }
        Count = kept;
    }

    /// <summary>Asks the memory for a tile's keys.</summary>
    private void Prefetch(int first)
    {
        for (int i = first, end = Math.Min(first + PackedRows.TileRows, Count); i < end; i++)
            _rows[i].Row.PrefetchKey(_query.Codec.Dim);
    }

    /// <summary>[Count]: weights of one query that the codes of the chosen rows promised.</summary>
    private float* Promised(int g) => _promised.Pointer + (long)g * _codes.Stride;

    /// <summary>Logits of one query for the chosen rows become their weights; if codes promised far more, the other rows are corrected.</summary>
    private void Replace(int g, Span<float> exact, ref float total)
    {
        TensorPrimitives.Subtract(exact, total, exact);
        Span<float> mass = _lists.Mass.Slice(g * _lists.Count, _lists.Count);
        fixed (float* logits = exact, masses = mass)
        {
            float moved = Promises.Recentre(exact, CodeWeights.Largest(logits, exact.Length), _query.Codec.Sharp, ref total), found = VectorExp.Shares(logits, exact.Length, 0);
            float factor = Promises.Correction(CodeWeights.Sum(Promised(g), Count), CodeWeights.Sum(masses, mass.Length), found, moved);
            Promises.Scale(new Span<float>(Promised(g), Count), factor);
            Promises.Scale(mass, factor);
        }
    }

    /// <summary>
    /// In the masses of their lists the chosen rows weigh what they do and no longer what their codes promised. Where those misled
    /// badly <see cref="Promises.Correction"/> has brought them down, so that the difference is no rounding error.
    /// </summary>
    private void ReplaceMasses()
    {
        int group = _query.Group;
        fixed (float* masses = _lists.Mass)
        {
            for (int first = 0, end; first < Count; first = end)
            {
                int opened = _rows[first].Opened;
                for (end = first; end < Count && _rows[end].Opened == opened; end++)
                {
                }
                for (int g = 0; g < group; g++)
                {
                    float* exact = _weights.Pointer + (long)g * _stride, promised = Promised(g);
                    float taken = 0, found = 0;
                    for (int i = first; i < end; i++)
                        (taken, found) = (taken + promised[i], found + exact[i]);
                    float* mass = masses + g * _lists.Count + _opened.Numbers[opened];
                    *mass = MathF.Max(*mass - taken, 0) + found;
                }
            }
        }
    }
}
