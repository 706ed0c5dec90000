using System.Runtime.Intrinsics;
using Retrieval.Index.Kernels;

namespace Retrieval.Index;

/// <summary>
/// Codes of so many rows that weights of all would cost the memory more than the codes: only of rows that may be among the heaviest,
/// the candidates, is anything written; of the others a list keeps their sum. The lists that promise most lead. The logit T that as
/// many of their rows reach as will be chosen bounds the others: a row below T − ln group for every query weighs less, summed over
/// the group, than each row that has T for the query where T weighs most.
/// </summary>
internal sealed unsafe class CandidateSieve
{
    // Rows of leading lists: all of them are candidates, and the fewer they are the more of the others become ones.
    private const int LeadingPart = 64, LeadingPerChosen = 16;

    // Lists can promise the wrong ones: some lead whatever they promise.
    private const int AnyList = 128;

    // Fewer rows are not worth a second pass.
    private const int LeastParts = 3;

    // Weights of less than exp(−127) of the largest are 0.
    private const float Range = 160;

    // Nats by which rounding may move logits and weights.
    private const float Slack = 1e-2f;

    private readonly PinnedMemory<float> _logits = new(), _scanned = new(), _sample = new();
    private float[] _rest = [], _limits = [];
    private int[] _places = [], _counts = [], _at = [];
    private CodeScanner _scanner = null!;
    private ListLevel _lists = null!;
    private OpenedLists _opened = null!;
    private IvfPqIndex _index = null!;
    private float _leading;
    private int _wanted, _longest, _leadingRows;

    /// <summary>[group, stride]: candidates, list after list in each part, each list's last block filled up with −∞. Leading lists stand behind all parts.</summary>
    public float* Logits => _logits.Pointer;

    public int Stride => _opened.Stride + _leadingRows;

    /// <summary>[stride]: places of candidates among the rows of all opened lists.</summary>
    public int[] Places => _places;

    /// <summary>Where each opened list's candidates begin.</summary>
    public int[] Starts => _at;

    /// <summary>Candidates of each opened list.</summary>
    public int[] Counts => _counts;

    /// <summary>[group]: no other row has a larger logit.</summary>
    public float[] Limits => _limits;

    /// <summary>[opened lists, group]: Σ exp(logit − limit) of the other rows.</summary>
    public float[] Rest => _rest;

    /// <summary>Is it worth while? Not with an error target, which weighs every row.</summary>
    public static bool Pays(in CascadeQuery query, OpenedLists opened)
        => !query.Targeted && !query.Budget.WeighAll && opened.Stride / LeastParts > Leading(query, opened);

    public void Begin(in CascadeQuery query, ListLevel lists, OpenedLists opened, CodeScanner scanner)
    {
        (_index, _lists, _opened, _scanner, _wanted) = (query.Index, lists, opened, scanner, query.Budget.Keys);
        fixed (float* scores = lists.Scores, sizes = query.Index.ListSizes)
            _leading = ScoreThreshold.ForBudget(scores, sizes, lists.Count, Leading(query, opened));
        Scratch.Grow(ref _counts, opened.Count);
        Scratch.Grow(ref _at, opened.Count);
        (_longest, _leadingRows) = (0, 0);
        for (int i = 0; i < opened.Count; i++)
        {
            int rows = opened.Starts[i + 1] - opened.Starts[i];
            _longest = Math.Max(_longest, rows);
            if (!Leads(i))
                continue;
            (_at[i], _counts[i]) = (opened.Stride + _leadingRows, rows);
            _leadingRows += rows;
        }
        _logits.Grow((long)query.Group * Stride);
        Scratch.Grow(ref _places, Stride);
        Scratch.Grow(ref _rest, query.Group * opened.Count);
        Scratch.Grow(ref _limits, query.Group);
        _scanned.Grow((long)opened.Parts * query.Group * _longest);
        _sample.Grow(_leadingRows);
    }

    /// <summary>Takes all rows of the leading lists of one part.</summary>
    public void Lead(int part)
    {
        (int begin, int end) = _opened.Of(part);
        var cursor = new SegmentCursor(_index);
        for (int i = begin; i < end; i++)
        {
            if (!Leads(i))
                continue;
            _scanner.Scan(ref cursor, i, Logits + _at[i], Stride);
            for (int r = 0; r < _counts[i]; r++)
                _places[_at[i] + r] = _opened.Starts[i] + r;
            _rest.AsSpan(i * _lists.Group, _lists.Group).Clear();
        }
    }

    /// <summary>Finds what rows of the other lists must reach.</summary>
    public void Aim()
    {
        for (int g = 0; g < _lists.Group; g++)
        {
            new Span<float>(Logits + (long)g * Stride + _opened.Stride, _leadingRows).CopyTo(new Span<float>(_sample.Pointer, _leadingRows));
            float limit = Reached(_sample.Pointer, _leadingRows) - MathF.Log(_lists.Group) - Slack;
            // Logits beyond a float, which takes an absurd index or query: all rows are candidates.
            _limits[g] = float.IsFinite(limit) ? limit : float.MinValue;
        }
    }

    /// <summary>Finds the candidates of the other lists of one part.</summary>
    public void Sieve(int part)
    {
        int group = _lists.Group;
        (int begin, int end) = _opened.Of(part);
        var cursor = new SegmentCursor(_index);
        fixed (float* limits = _limits, rest = _rest)
        fixed (int* places = _places)
        {
            // One list after another, so that all but candidates stays in the cache.
            float* scanned = _scanned.Pointer + (long)part * group * _longest;
            for (int i = begin, at = _opened.Starts[begin]; i < end; i++)
            {
                if (Leads(i))
                    continue;
                int start = _opened.Starts[i];
                _scanner.Scan(ref cursor, i, scanned, _longest);
                new Span<float>(rest + i * group, group).Clear();
                _at[i] = at;
                _counts[i] = RowSieve.Split(scanned, _longest, _opened.Starts[i + 1] - start, group, limits, start, places + at, Logits + at, Stride, rest + i * group);
                at += (_counts[i] + CodeScan.BlockRows - 1) / CodeScan.BlockRows * CodeScan.BlockRows;
            }
        }
    }

    private bool Leads(int opened) => opened % AnyList == 0 || _lists.Scores[_opened.Numbers[opened]] >= _leading;

    private static float Leading(in CascadeQuery query, OpenedLists opened) => MathF.Max(opened.Stride / LeadingPart, (float)LeadingPerChosen * query.Budget.Keys);

    /// <summary>A logit that as many of some rows reach as will be chosen.</summary>
    /// <param name="logits">Overwritten.</param>
    private float Reached(float* logits, int count)
    {
        if (count == 0)
            return float.MinValue;
        float least = CodeWeights.Largest(logits, count) - Range;
        for (int i = 0; i < count; i += CodeScan.BlockRows)
            Vector512.Max(Vector512.Load(logits + i) - Vector512.Create(least), Vector512<float>.Zero).Store(logits + i);
        // The threshold keeps below a budget by a 64th at most, or by a step of its own.
        float reached = ScoreThreshold.ForBudget(logits, null, count, _wanted * (65 / 64f) + 1);
        if (ScoreThreshold.SumFrom(logits, null, count, reached) < _wanted)
            reached /= 1.01f;
        return least + reached;
    }
}
