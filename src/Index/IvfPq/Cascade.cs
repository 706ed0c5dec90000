using Retrieval.Index.Kernels;

namespace Retrieval.Index;

/// <summary>
/// Attention over the rows of an <see cref="IvfPqIndex"/> without reading most of them: lists → codes → keys → values. Each level
/// reads what the one before found to matter; what is not read keeps the estimate of the last level that saw it, so that every
/// row contributes. One instance does one search at a time; its scratch memory grows to the largest.
/// </summary>
/// <remarks>
/// A level is cut into parts that any threads may take, and ends with one <see cref="Advance"/>. Where the cuts are depends on
/// what is read and not on the threads, and so do all sums.
/// </remarks>
public sealed unsafe class Cascade
{
    private readonly ListLevel _lists = new();
    private readonly OpenedLists _opened = new();
    private readonly CodeLevel _codes = new();
    private readonly KeyLevel _keys = new();
    private readonly ListEstimate _values = new();
    private readonly ErrorTarget _error = new();
    private CascadeQuery _query;
    private Level _level = Level.Done;
    private int _keysRead;

    // Logarithms that weights are relative to: those of each query's whole attention as lists estimate it.
    private float[] _total = [];

    private enum Level
    {
        Lists,
        Codes,
        Candidates,
        Weights,
        Keys,
        Values,
        Done,
    }

    /// <summary>What the last search read.</summary>
    public CascadeBytes Bytes { get; private set; }

    /// <summary>Pieces of work that the current level has, all of which must be done before <see cref="Advance"/>.</summary>
    internal int Parts => _level switch
    {
        Level.Lists => _lists.Parts,
        Level.Codes => _codes.ScanParts,
        Level.Candidates => _codes.SieveParts,
        Level.Weights => _codes.WeighParts,
        Level.Keys => _keys.Parts,
        Level.Values => _values.Parts,
        _ => 0,
    };

    /// <summary>The whole search on the calling thread.</summary>
    /// <param name="rows">The packed rows of each segment of the index.</param>
    /// <param name="queries">[group, dim], scaled so that a dot product is a logit.</param>
    /// <param name="resident">What is attended to anyway: it decides what else is worth reading.</param>
    /// <param name="output">[group, dim]: the attention over all rows of the index.</param>
    /// <param name="logSumExp">[group]</param>
    public void Run(
        IvfPqIndex index, PackedRows[] rows, ReadOnlySpan<float> queries, in ResidentAttention resident, CascadeBudget budget, float* output, float* logSumExp)
    {
        fixed (float* query = queries, residentOutput = resident.Output, residentLogSumExp = resident.LogSumExp)
        {
            Begin(new CascadeQuery
            {
                Index = index,
                Rows = rows,
                Budget = budget,
                Group = queries.Length / index.Codec.Dim,
                Queries = query,
                ResidentOutput = residentOutput,
                ResidentLogSumExp = residentLogSumExp,
                Output = output,
                LogSumExp = logSumExp,
            });
            do
            {
                for (int part = 0; part < Parts; part++)
                    Work(part);
            }
            while (Advance());
        }
    }

    /// <summary>Begins a search; the rest is <see cref="Work"/> for all parts of a level, then <see cref="Advance"/>, until that is false.</summary>
    internal void Begin(in CascadeQuery query)
    {
        _query = query;
        if (_total.Length < query.Group)
            _total = new float[query.Group];
        _lists.Begin(query);
        _level = Level.Lists;
    }

    internal void Work(int part)
    {
        switch (_level)
        {
            case Level.Lists:
                _lists.Score(part);
                break;
            case Level.Codes:
                _codes.Scan(part);
                break;
            case Level.Candidates:
                _codes.Sieve(part);
                break;
            case Level.Weights:
                _codes.Weigh(part);
                break;
            case Level.Keys:
                _keys.Read(part);
                break;
            case Level.Values:
                _values.Add(part);
                break;
        }
    }

    /// <summary>Ends a level and chooses what the next one reads.</summary>
    /// <returns>False: that was the last, the answer is there.</returns>
    internal bool Advance()
    {
        CascadeBudget budget = _query.Budget;
        switch (_level)
        {
            case Level.Lists:
                _lists.Share(_query.ResidentLogSumExp, _total);
                if (_query.Targeted)
                    AimLists();
                // Lists of a sharp head say little about which of them could stay closed.
                if (_query.Codec.Sharp)
                    _opened.Open(_query.Index, _lists, budget.OpenedIfSharp, null, 0);
                else
                    _opened.Open(_query.Index, _lists, budget.Opened, _query.Targeted ? _error.ListLimit : null, budget.ListShare);
                _codes.Begin(_query, _lists, _opened, _total);
                break;
            case Level.Codes:
                _codes.Aim();
                break;
            case Level.Candidates:
                _codes.Recentre(_total);
                break;
            case Level.Weights:
                _codes.ReplaceMasses();
                if (_query.Targeted)
                    _error.ScoreCodes(_query.Codec, _codes.Weights, _codes.Stride, _codes.Scores);
                _keys.Choose(_query, _lists, _opened, _codes, _query.Targeted ? _error.CodeLimit : null);
                break;
            case Level.Keys:
                _keysRead = _keys.Count;
                _keys.ReplaceWeights(_total);
                if (_query.Targeted)
                    _keys.Aim(_error);
                _keys.Keep(budget.Values, _query.Targeted ? _error.KeyLimit : null);
                _values.Begin(_query, _lists, _opened.Entries, _keys.Chosen);
                break;
            case Level.Values:
                _values.Finish(_query, _total);
                CountBytes();
                break;
        }
        return ++_level != Level.Done;
    }

    /// <summary>Scores of lists become what each adds to the expected squared error while it is not opened.</summary>
    private void AimLists()
    {
        _values.Begin(_query, _lists, [], default);
        for (int part = 0; part < _values.Parts; part++)
            _values.Add(part);
        _values.Finish(_query, _total);
        Span<float> output = new(_query.Output, _query.Group * _query.Codec.Dim);
        fixed (float* x = _lists.Queries)
            _error.Begin(_query.Codec, _query.Budget.MaxError, x, _query.Resident, output, new ReadOnlySpan<float>(_query.LogSumExp, _query.Group));
        _error.ScoreLists(_query.Index, _lists.Mass, _lists.Variances, _lists.Scores);
    }

    private void CountBytes()
    {
        long rowBytes = _query.Rows.Length == 0 ? 0 : _query.Rows[0].RowBytes, listBytes = _query.Codec.Dim + IvfPqCodec.Bands + 2 * sizeof(float) + sizeof(ListPlace) + sizeof(ListScale);
        Bytes = new CascadeBytes(
            _lists.Count * listBytes + _values.MeansRead * (long)(_query.Codec.Dim + sizeof(float)),
            _opened.Stride / CodeScan.BlockRows * (long)CodeScan.BlockBytes(_query.Codec.Quantizer.Subspaces), _keysRead * rowBytes, _keys.Count * rowBytes);
    }
}
