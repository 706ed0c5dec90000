using System.Numerics.Tensors;
using Retrieval.Index.Kernels;

namespace Retrieval.Index;

/// <summary>Second level of a <see cref="Cascade"/>: weights of the rows of the opened lists from their codes. Of many rows only those of the candidates are kept, see <see cref="CandidateSieve"/>.</summary>
internal sealed unsafe class CodeLevel
{
    // Parts whose codes are asked for before they are read.
    private const int PartsAhead = 1;

    private readonly CodeScanner _scanner = new();
    private readonly CandidateSieve _sieve = new();
    private readonly PinnedMemory<float> _weights = new(), _scores = new(), _worth = new();
    private readonly PinnedMemory<int> _worthy = new();
    private float[] _sums = [], _moved = [], _largest = [], _restScale = [];
    private int[] _starts = [], _places = [], _worthyOfPart = [];
    private IvfPqIndex _index = null!;
    private ListLevel _lists = null!;
    private OpenedLists _opened = null!;
    private float _least;

    // Whether candidates are sieved; otherwise, whether weights are made where codes are scanned, and whether they are there as they must be.
    private bool _sieved, _early, _weighed;

    /// <summary>Rows whose weights are kept, list after list; there may be gaps, of weight 0.</summary>
    public int Stride { get; private set; }

    /// <summary>[group, stride]: shares of each query's attention.</summary>
    public Span<float> Weights => new(_weights.Pointer, _lists.Group * Stride);

    /// <summary>[stride]: how much a row's key deserves to be read; the sum of its weights.</summary>
    public Span<float> Scores => new(_scores.Pointer, Stride);

    /// <summary>Parts of <see cref="Scan"/>.</summary>
    public int ScanParts => _sieved ? _sieve.LeadParts : _opened.Parts;

    /// <summary>Parts that look for candidates, after <see cref="Scan"/>.</summary>
    public int SieveParts => _sieved ? _opened.Parts : 0;

    /// <summary>Parts of <see cref="Weigh"/>.</summary>
    public int WeighParts => _weighed ? 0 : _opened.Parts;

    private ReadOnlySpan<int> Starts => _sieved ? _starts : _opened.Starts;

    /// <param name="total">[group]: what weights are relative to, logarithms.</param>
    public void Begin(in CascadeQuery query, ListLevel lists, OpenedLists opened, float[] total)
    {
        (_index, _lists, _opened, _sieved) = (query.Index, lists, opened, CandidateSieve.Pays(query, opened));
        _least = MathF.Max(query.Budget.LeastWeight(query.Codec), float.Epsilon);
        // Weights of a head that is not sharp are floats but for rare surprises: its logits become weights while they are in cache.
        _weighed = _early = !_sieved && !query.Codec.Sharp;
        int group = query.Group;
        _scanner.Begin(query, lists, opened, total);
        Scratch.Grow(ref _sums, group * opened.Count);
        Scratch.Grow(ref _moved, group);
        Scratch.Grow(ref _restScale, group);
        Scratch.Grow(ref _largest, group * opened.Parts);
        Scratch.Grow(ref _worthyOfPart, opened.Parts);
        _moved.AsSpan(0, group).Clear();
        if (_sieved)
        {
            _sieve.Begin(query, lists, opened, _scanner);
            Scratch.Grow(ref _starts, opened.Count);
        }
        else
        {
            Lay(opened.Stride);
            for (int part = 0; part < PartsAhead; part++)
                Prefetch(part);
        }
    }

    /// <summary>Weights of the rows of one part, or logits that <see cref="Weigh"/> will make weights of; of many rows the logits of the leading lists.</summary>
    public void Scan(int part)
    {
        if (_sieved)
        {
            _sieve.Lead(part);
            return;
        }
        // Its own are on their way already, but perhaps to another core.
        Prefetch(part);
        Prefetch(part + PartsAhead);
        if (_weighed)
        {
            WeighCodes(part);
            return;
        }
        ScanCodes(part);
        FindLargest(part);
    }

    /// <summary>Finds what candidates must reach.</summary>
    public void Aim()
    {
        if (_sieved)
            _sieve.Aim();
    }

    /// <summary>Finds the candidates of one part.</summary>
    public void Sieve(int part)
    {
        _sieve.Sieve(part);
        FindLargest(part);
    }

    /// <summary>Makes sure that the weights will be floats, and room for those of candidates.</summary>
    public void Recentre(float[] total)
    {
        int group = _lists.Group;
        for (int g = 0; g < group; g++)
        {
            float largest = float.NegativeInfinity;
            for (int part = 0; part < _opened.Parts; part++)
                largest = MathF.Max(largest, _largest[part * group + g]);
            _moved[g] = Promises.Move(largest, _index.Codec.Sharp, ref total[g]);
            _restScale[g] = _sieved ? MathF.Exp(_sieve.Limits[g] - _moved[g]) : 0;
            _weighed &= _moved[g] == 0;
        }
        if (_sieved)
            LayCandidates();
    }

    /// <summary>Weights of one part that are not there yet, or not as they must be.</summary>
    public void Weigh(int part)
    {
        if (_early)
            ScanCodes(part);
        WeighLogits(part);
    }

    /// <summary>Sums over codes replace the masses of the opened lists, and correct those of the closed ones.</summary>
    public void ReplaceMasses()
    {
        int group = _lists.Group, count = _lists.Count;
        ReadOnlySpan<int> entries = _opened.Entries;
        fixed (float* masses = _lists.Mass, sums = _sums)
        {
            for (int g = 0; g < group && entries.Length > 0; g++)
            {
                float* mass = masses + (long)g * count;
                float promised = 0, found = 0;
                for (int i = 0; i < entries.Length; i++)
                {
                    promised += mass[entries[i]];
                    found += sums[i * group + g];
                }
                Promises.Scale(new Span<float>(mass, count), Promises.Correction(promised, CodeWeights.Sum(mass, count), found, _moved[g]));
                for (int i = 0; i < entries.Length; i++)
                    mass[entries[i]] = sums[i * group + g];
            }
        }
    }

    /// <summary>Rows of the largest scores.</summary>
    /// <param name="most">Rows, at most.</param>
    /// <param name="at">Receives their numbers among the rows whose weights are kept, ascending.</param>
    /// <returns>How many.</returns>
    public int Choose(int most, int* at)
    {
        // Few of many are worth their key; the search for a threshold goes many times over those alone.
        int worthy = 0;
        for (int part = 0; part < _opened.Parts; part++)
        {
            int count = _worthyOfPart[part];
            if (count == 0)
                continue;
            int start = Starts[_opened.Of(part).Begin];
            new ReadOnlySpan<float>(_worth.Pointer + start, count).CopyTo(new Span<float>(_worth.Pointer + worthy, count));
            new ReadOnlySpan<int>(_worthy.Pointer + start, count).CopyTo(new Span<int>(_worthy.Pointer + worthy, count));
            worthy += count;
        }
        // Codes of a very sharp head may misjudge its heaviest row by thirty nats.
        float threshold = worthy <= most ? 0 : ScoreThreshold.ForBudget(_worth.Pointer, null, worthy, most, all: true);
        int chosen = ScoreThreshold.Collect(_worth.Pointer, worthy, threshold, at);
        for (int i = 0; i < chosen; i++)
            at[i] = _worthy.Pointer[at[i]];
        return chosen;
    }

    /// <summary>Place of a row whose weights are kept among the rows of all opened lists.</summary>
    public int Place(int at) => _sieved ? _places[at] : at;

    /// <summary>Asks the memory for the codes of a part.</summary>
    private void Prefetch(int part)
    {
        if (part >= _opened.Parts)
            return;
        (int begin, int end) = _opened.Of(part);
        _scanner.Prefetch(begin, end);
    }

    private void ScanCodes(int part)
    {
        (int begin, int end) = _opened.Of(part);
        for (int i = begin; i < end; i++)
            _scanner.Scan(i, _weights.Pointer + _opened.Starts[i], Stride);
    }

    /// <summary>Weights of one part, without a way through memory for logits.</summary>
    private void WeighCodes(int part)
    {
        (int begin, int end) = _opened.Of(part);
        int group = _lists.Group, start = _opened.Starts[begin];
        float* scores = _scores.Pointer + start;
        _largest.AsSpan(part * group, group).Fill(float.NegativeInfinity);
        fixed (float* sums = _sums, largest = _largest)
            _scanner.Weigh(begin, end, _weights.Pointer + start, Stride, scores, sums + begin * group, largest + part * group);
        _worthyOfPart[part] = ScoreThreshold.Take(scores, Rows(part), _least, start, _worthy.Pointer + start, _worth.Pointer + start);
    }

    /// <summary>Logits of one part become weights; of what each list weighs the sum, of the rows those that may be worth their key.</summary>
    private void WeighLogits(int part)
    {
        (int begin, int end) = _opened.Of(part);
        _worthyOfPart[part] = 0;
        if (begin == end)
            return;
        int group = _lists.Group, start = Starts[begin], rows = Rows(part);
        float* logits = LogitsOf(part), weights = _weights.Pointer, scores = _scores.Pointer + start;
        fixed (float* moved = _moved, sums = _sums)
        {
            if (_sieved)
            {
                // Candidates of a list are no whole blocks: here all of them count as one list.
                int* whole = stackalloc int[] { 0, rows };
                CodeWeights.Compute(logits, _sieve.Stride, whole, 1, group, moved, weights + start, Stride, scores, sums + begin * group);
                SumCandidates(part);
            }
            else
            {
                fixed (int* starts = _opened.Starts)
                    CodeWeights.Compute(logits, Stride, starts + begin, end - begin, group, moved, weights + start, Stride, scores, sums + begin * group);
            }
        }
        _worthyOfPart[part] = ScoreThreshold.Take(scores, rows, _least, start, _worthy.Pointer + start, _worth.Pointer + start);
    }

    /// <summary>Sums of each list's weights: its candidates' and those of its other rows.</summary>
    private void SumCandidates(int part)
    {
        (int begin, int end) = _opened.Of(part);
        int group = _lists.Group;
        _sieve.Places.AsSpan(_opened.Starts[begin], _sieve.PartCounts[part]).CopyTo(_places.AsSpan(Starts[begin]));
        for (int i = begin; i < end; i++)
        {
            for (int g = 0; g < group; g++)
                _sums[i * group + g] = CodeWeights.Sum(_weights.Pointer + (long)g * Stride + Starts[i], _sieve.Counts[i]) + _sieve.Rest[i * group + g] * _restScale[g];
        }
    }

    /// <summary>Rows of a part that logits are there for, in whole blocks.</summary>
    private int Rows(int part)
    {
        if (_sieved)
            return CodeScan.Blocks(_sieve.PartCounts[part]) * CodeScan.BlockRows;
        (int begin, int end) = _opened.Of(part);
        return _opened.Starts[end] - _opened.Starts[begin];
    }

    /// <summary>Logits of the first query for the rows of a part.</summary>
    private float* LogitsOf(int part) => (_sieved ? _sieve.Logits : _weights.Pointer) + _opened.Starts[_opened.Of(part).Begin];

    private void FindLargest(int part)
    {
        float* logits = LogitsOf(part);
        for (int g = 0; g < _lists.Group; g++)
            _largest[part * _lists.Group + g] = CodeWeights.Largest(logits + (long)g * (_sieved ? _sieve.Stride : Stride), Rows(part));
    }

    /// <summary>Candidates of all parts follow one another, in whole blocks.</summary>
    private void LayCandidates()
    {
        int to = 0;
        for (int part = 0; part < _opened.Parts; part++)
        {
            (int begin, int end) = _opened.Of(part);
            for (int i = begin; i < end; i++)
                _starts[i] = to + _sieve.Starts[i] - _opened.Starts[begin];
            to += Rows(part);
        }
        Lay(to);
    }

    private void Lay(int stride)
    {
        Stride = stride;
        _weights.Grow((long)_lists.Group * stride);
        _scores.Grow(stride);
        _worth.Grow(stride);
        _worthy.Grow(stride);
        if (_sieved)
            Scratch.Grow(ref _places, stride);
    }
}
