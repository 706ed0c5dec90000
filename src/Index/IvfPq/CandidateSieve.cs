using System.Runtime.Intrinsics;
using Retrieval.Index.Kernels;

namespace Retrieval.Index;

/// <summary>
/// Codes of so many rows that weights of all would cost the memory more than the codes: only of rows that may be among the heaviest,
/// the candidates, is anything written; of the others a list keeps their sum. The lists that promise most lead. The logit T that as
/// many of their rows reach as will be chosen bounds all others: a row below T − ln group for every query weighs less, summed over
/// the group, than each row that has T for the query where T weighs most.
/// </summary>
internal sealed unsafe class CandidateSieve
{
    // Rows of leading lists: they are looked at twice, and the fewer they are the more rows pass.
    private const int LeadingPart = 64, LeadingPerChosen = 16;

    // Lists can promise the wrong ones: some lead whatever they promise.
    private const int AnyList = 128;

    // Enough to be worth a thread's while: they lie far apart.
    private const int LeadersOfPart = 8;

    // Fewer rows are not worth a second pass.
    private const int LeastParts = 3;

    // Weights of less than exp(−127) of the largest are 0.
    private const float Range = 160;

    // Nats by which rounding may move logits and weights.
    private const float Slack = 1e-2f;

    private readonly PinnedMemory<float> _logits = new(), _scanned = new(), _sample = new();
    private float[] _rest = [], _limits = [];
    private int[] _places = [], _counts = [], _at = [], _leaders = [], _partCounts = [];
    private CodeScanner _scanner = null!;
    private ListLevel _lists = null!;
    private OpenedLists _opened = null!;
    private float _leading;
    private int _wanted, _longest, _leaderCount, _leadingRows;

    /// <summary>[group, stride]: candidates, list after list from where each part begins, its last block filled up with −∞. Before, leading lists' rows behind all parts.</summary>
    public float* Logits => _logits.Pointer;

    public int Stride => _opened.Stride + _leadingRows;

    /// <summary>[opened rows]: places of candidates among the rows of all opened lists.</summary>
    public int[] Places => _places;

    /// <summary>Where each opened list's candidates begin.</summary>
    public int[] Starts => _at;

    /// <summary>Candidates of each opened list.</summary>
    public int[] Counts => _counts;

    /// <summary>Candidates of each part.</summary>
    public int[] PartCounts => _partCounts;

    /// <summary>[group]: no other row has a larger logit.</summary>
    public float[] Limits => _limits;

    /// <summary>[opened lists, group]: Σ exp(logit − limit) of the other rows.</summary>
    public float[] Rest => _rest;

    /// <summary>Parts of the leading lists.</summary>
    public int LeadParts => RowParts.Count(_leaderCount, LeadersOfPart);

    /// <summary>Is it worth while? Not with an error target, which weighs every row.</summary>
    public static bool Pays(in CascadeQuery query, OpenedLists opened)
        => !query.Targeted && !query.Budget.WeighAll && opened.Stride / LeastParts > Leading(query, opened);

    public void Begin(in CascadeQuery query, ListLevel lists, OpenedLists opened, CodeScanner scanner)
    {
        (_lists, _opened, _scanner, _wanted) = (lists, opened, scanner, query.Budget.Keys);
        fixed (float* scores = lists.Scores)
            _leading = ScoreThreshold.ForBudget(scores, lists.Sizes, lists.Count, Leading(query, opened));
        Scratch.Grow(ref _counts, opened.Count);
        Scratch.Grow(ref _at, opened.Count);
        Scratch.Grow(ref _leaders, opened.Count);
        Scratch.Grow(ref _partCounts, opened.Parts);
        (_longest, _leaderCount, _leadingRows) = (0, 0, 0);
        for (int i = 0; i < opened.Count; i++)
        {
            int rows = opened.Starts[i + 1] - opened.Starts[i];
            _longest = Math.Max(_longest, rows);
            if (!Leads(i))
                continue;
            _leaders[_leaderCount++] = i;
            _at[i] = opened.Stride + _leadingRows;
            _leadingRows += rows;
        }
        _logits.Grow((long)query.Group * Stride);
        Scratch.Grow(ref _places, opened.Stride);
        Scratch.Grow(ref _rest, query.Group * opened.Count);
        Scratch.Grow(ref _limits, query.Group);
        _scanned.Grow((long)opened.Parts * query.Group * _longest);
        _sample.Grow(_leadingRows);
    }

    /// <summary>Logits of one part of the leading lists.</summary>
    public void Lead(int part)
    {
        (int begin, int end) = RowParts.Of(_leaderCount, LeadersOfPart, part);
        Prefetch(begin);
        for (int k = begin; k < end; k++)
        {
            if (k + 1 < end)
                Prefetch(k + 1);
            _scanner.Scan(_leaders[k], Logits + _at[_leaders[k]], Stride);
        }
    }

    /// <summary>Asks the memory for the codes of a leading list: they are far apart.</summary>
    private void Prefetch(int leader) => _scanner.Prefetch(_leaders[leader], _leaders[leader] + 1);

    /// <summary>Finds what rows must reach.</summary>
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

    /// <summary>Finds the candidates of one part.</summary>
    public void Sieve(int part)
    {
        int group = _lists.Group;
        (int begin, int end) = _opened.Of(part);
        fixed (float* limits = _limits, allRest = _rest)
        fixed (int* places = _places)
        {
            // One list after another, so that all but candidates stays in the cache.
            float* scanned = _scanned.Pointer + (long)part * group * _longest;
            int first = _opened.Starts[begin], at = first;
            for (int i = begin; i < end; i++)
            {
                float* rest = allRest + i * group;
                new Span<float>(rest, group).Clear();
                int count = Leads(i)
                    ? RowSieve.Split(Logits + _at[i], Stride, _opened.Starts[i + 1] - _opened.Starts[i], group, limits, _opened.Starts[i], places + at, Logits + at, Stride, rest)
                    : _scanner.Sieve(i, limits, places + at, Logits + at, Stride, rest, scanned, _longest);
                (_at[i], _counts[i]) = (at, count);
                at += count;
            }
            _partCounts[part] = at - first;
            for (int g = 0; g < group; g++)
                new Span<float>(Logits + (long)g * Stride + at, -(at - first) & (CodeScan.BlockRows - 1)).Fill(float.NegativeInfinity);
        }
    }

    private bool Leads(int opened) => opened % AnyList == 0 || _lists.Scores[_opened.Entries[opened]] >= _leading;

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
