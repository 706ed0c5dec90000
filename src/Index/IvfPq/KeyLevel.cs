using System.Numerics.Tensors;
using System.Runtime.Intrinsics;
using Retrieval.Index.Kernels;

namespace Retrieval.Index;

/// <summary>Third level of a <see cref="Cascade"/>: exact weights of the rows whose codes promise most.</summary>
internal sealed unsafe class KeyLevel
{
    private const int RowsOfPart = 192;

    // Exact: [group, stride], first logits, then weights; until Keep.
    private readonly PinnedMemory<float> _weights = new();

    // [quads, stride, 4]: the weights, and what the codes promised.
    private readonly PinnedMemory<float> _quads = new(), _promised = new();
    private float[] _scores = [];
    private int _stride;
    private readonly PinnedMemory<PackedRow> _rows = new();

    // Which of the opened lists a row belongs to.
    private readonly PinnedMemory<int> _openedOf = new();
    private int[] _at = [];
    private CascadeQuery _query;
    private ListLevel _lists = null!;
    private OpenedLists _opened = null!;
    private CodeLevel _codes = null!;

    /// <summary>Rows whose keys are read; after <see cref="Keep"/>, whose values are.</summary>
    public int Count { get; private set; }

    public int Parts => RowParts.Count(Count, RowsOfPart);

    public ChosenRows Chosen => new(Count, _rows.Pointer, _openedOf.Pointer, _opened.Entries, _quads.Pointer, _stride);

    /// <summary>Chooses the rows of largest score.</summary>
    /// <param name="rest">Sum of the scores that may stay unread; null: only the budget counts.</param>
    public void Choose(in CascadeQuery query, ListLevel lists, OpenedLists opened, CodeLevel codes, double? rest)
    {
        (_query, _lists, _opened, _codes) = (query, lists, opened, codes);
        int most = Math.Min(query.Budget.Keys, codes.Stride);
        Scratch.Grow(ref _at, codes.Stride);
        fixed (float* scores = codes.Scores)
        fixed (int* at = _at)
        {
            Count = rest is null
                ? codes.Choose(most, at)
                : ScoreThreshold.Collect(scores, codes.Stride, ErrorTarget.Threshold(scores, null, codes.Stride, most, rest, query.Budget.LeastWeight(query.Codec)), at);
        }
        // Whole tiles, as quads of queries are transposed; what stands beyond the last row does not matter.
        _stride = (Count + PackedRows.TileRows - 1) / PackedRows.TileRows * PackedRows.TileRows;
        _weights.Grow((long)QueryQuad.Pad(query.Group) * _stride);
        _quads.Grow((long)QueryQuad.Pad(query.Group) * _stride);
        _promised.Grow((long)QueryQuad.Pad(query.Group) * _stride);
        _rows.Grow(Count);
        _openedOf.Grow(Count);
        Scratch.Grow(ref _scores, Count);
    }

    /// <summary>Finds the rows of one part, and their exact logits.</summary>
    public void Read(int part)
    {
        (int begin, int end) = RowParts.Of(Count, RowsOfPart, part);
        Find(begin, end);
        SingleRows.Score(_rows.Pointer + begin, end - begin, _query.Codec.Dim, _query.Queries, _query.Group, _weights.Pointer + begin, _stride);
    }

    /// <summary>Exact weights replace those of the codes, also in the lists' masses.</summary>
    public void ReplaceWeights(float[] total)
    {
        Span<float> scores = _scores.AsSpan(0, Count);
        scores.Clear();
        if (Count == 0)
            return;
        for (int g = 0; g < _query.Group; g += QueryQuad.Queries)
        {
            Vector128<float> promised = SumPromised(g), factors = Vector128<float>.One;
            for (int q = 0; q < QueryQuad.Queries && g + q < _query.Group; q++)
            {
                Span<float> exact = new(Exact(g + q), Count);
                factors = factors.WithElement(q, Replace(g + q, exact, promised[q], ref total[g + q]));
                TensorPrimitives.Add(scores, exact, scores);
            }
            if (factors != Vector128<float>.One)
                ScalePromised(g, factors);
        }
        QueryQuad.ToQuads(_weights.Pointer, _query.Group, _stride, _quads.Pointer);
        ReplaceMasses();
    }

    /// <summary>Scores of the rows become what each adds to the expected squared error while its value is not read.</summary>
    public void Aim(ErrorTarget error)
    {
        for (int i = 0; i < Count; i++)
            _scores[i] = error.ScoreKey(_query.Codec, _weights.Pointer, _stride, i);
    }

    /// <summary>Keeps the rows whose values are worth reading, and asks the memory for these.</summary>
    public void Keep(int most, double? rest)
    {
        fixed (float* scores = _scores)
        fixed (int* at = _at)
        {
            float threshold = ErrorTarget.Threshold(scores, null, Count, most, rest, _query.Budget.LeastWeight(_query.Codec));
            Count = ScoreThreshold.Collect(scores, Count, threshold, at);
            PackedRow* rows = _rows.Pointer;
            int* opened = _openedOf.Pointer;
            for (int i = 0; i < Count; i++)
            {
                (rows[i], opened[i]) = (rows[at[i]], opened[at[i]]);
                rows[i].PrefetchValue(_query.Codec.Dim);
            }
            for (int g = 0; g < _query.Group; g += QueryQuad.Queries)
            {
                var quads = (Vector128<float>*)Quads(g);
                for (int i = 0; i < Count; i++)
                    quads[i] = quads[at[i]];
            }
        }
    }

    /// <summary>Where chosen rows [begin, end) lie, and what their codes promised. Asks the memory for their keys.</summary>
    private void Find(int begin, int end)
    {
        int dim = _query.Codec.Dim, list = _opened.Holding(_codes.Place(_at[begin])) - 1;
        PackedRows packed = default;
        ReadOnlySpan<int> starts = _opened.Starts, at = _at;
        PackedRow* rows = _rows.Pointer;
        int* openedOf = _openedOf.Pointer;
        for (int i = begin, listEnd = 0, first = 0; i < end; i++)
        {
            int place = _codes.Place(at[i]);
            if (place >= listEnd)
            {
                while (place >= listEnd)
                    listEnd = starts[++list + 1];
                OpenedList opened = _opened.Lists[list];
                first = opened.FirstPlace - starts[list];
                packed = _query.Rows[opened.Segment];
            }
            PackedRow row = packed[first + place];
            row.PrefetchKey(dim);
            (rows[i], openedOf[i]) = (row, list);
        }
        fixed (float* weights = _codes.Weights)
        fixed (int* chosen = _at)
        {
            for (int g = 0; g < _query.Group; g += QueryQuad.Queries)
            {
                // The last query stands in for those that are not there.
                long last = _query.Group - 1, stride = _codes.Stride;
                float* promised = Promised(g), w0 = weights + g * stride, w1 = weights + Math.Min(g + 1, last) * stride;
                float* w2 = weights + Math.Min(g + 2, last) * stride, w3 = weights + Math.Min(g + 3, last) * stride;
                for (int i = begin; i < end; i++)
                    Vector128.Create(w0[chosen[i]], w1[chosen[i]], w2[chosen[i]], w3[chosen[i]]).Store(promised + QueryQuad.Queries * i);
            }
        }
    }

    /// <summary>[Count]: exact logits, then weights of one query; until <see cref="Keep"/>.</summary>
    private float* Exact(int g) => _weights.Pointer + (long)g * _stride;

    /// <summary>[Count, 4]: weights of four queries.</summary>
    private float* Quads(int g) => _quads.Pointer + (long)g * _stride;

    /// <summary>[Count, 4]: weights of four queries that the codes of the chosen rows promised.</summary>
    private float* Promised(int g) => _promised.Pointer + (long)g * _stride;

    private Vector128<float> SumPromised(int g)
    {
        var promised = (Vector128<float>*)Promised(g);
        Vector128<float> sum = default;
        for (int i = 0; i < Count; i++)
            sum += promised[i];
        return sum;
    }

    private void ScalePromised(int g, Vector128<float> factors)
    {
        var promised = (Vector128<float>*)Promised(g);
        Vector128<float> unchanged = Vector128.Equals(factors, Vector128<float>.One);
        for (int i = 0; i < Count; i++)
            promised[i] = Vector128.ConditionalSelect(unchanged, promised[i], Vector128.MinNative(promised[i] * factors, Vector128.Create(Promises.Most)));
    }

    /// <summary>Logits of one query for the chosen rows become their weights; if codes promised far more, the other rows are corrected.</summary>
    /// <param name="promised">What the codes promised all of the rows to weigh.</param>
    /// <returns>What their promises are to be multiplied with too.</returns>
    private float Replace(int g, Span<float> exact, float promised, ref float total)
    {
        TensorPrimitives.Subtract(exact, total, exact);
        Span<float> mass = _lists.Mass.Slice(g * _lists.Count, _lists.Count);
        fixed (float* logits = exact, masses = mass)
        {
            float moved = Promises.Recentre(exact, CodeWeights.Largest(logits, exact.Length), _query.Codec.Sharp, ref total), found = VectorExp.Shares(logits, exact.Length, 0);
            float factor = Promises.Correction(promised, CodeWeights.Sum(masses, mass.Length), found, moved);
            Promises.Scale(mass, factor);
            return factor;
        }
    }

    /// <summary>
    /// In the masses of their lists the chosen rows weigh what they do and no longer what their codes promised. Where those misled
    /// badly <see cref="Promises.Correction"/> has brought them down, so that the difference is no rounding error.
    /// </summary>
    private void ReplaceMasses()
    {
        int* openedOf = _openedOf.Pointer;
        fixed (float* masses = _lists.Mass)
        {
            for (int g = 0; g < _query.Group; g += QueryQuad.Queries)
            {
                Vector128<float>* promised = (Vector128<float>*)Promised(g), exact = (Vector128<float>*)Quads(g);
                float* mass = masses + (long)g * _lists.Count;
                for (int first = 0, end; first < Count; first = end)
                {
                    int opened = openedOf[first];
                    Vector128<float> taken = default, found = default;
                    for (end = first; end < Count && openedOf[end] == opened; end++)
                    {
                        taken += promised[end];
                        found += exact[end];
                    }
                    float* ofList = mass + _opened.Entries[opened];
                    QueryQuad.Store(Vector128.MaxNative(QueryQuad.Load(ofList, _lists.Count) - taken, default) + found, ofList, _lists.Count);
                }
            }
        }
    }
}
