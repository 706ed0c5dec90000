using System.Numerics.Tensors;
using Retrieval.Index.Kernels;

namespace Retrieval.Index;

/// <summary>Second level of a <see cref="Cascade"/>: weights of the rows of the opened lists from their codes. Of many rows only those of the candidates are kept, see <see cref="CandidateSieve"/>.</summary>
internal sealed unsafe class CodeLevel
{
    private readonly CodeScanner _scanner = new();
    private readonly CandidateSieve _sieve = new();
    private readonly PinnedMemory<float> _weights = new(), _scores = new();
    private float[] _sums = [], _moved = [], _largest = [], _restScale = [];
    private int[] _starts = [], _places = [];
    private IvfPqIndex _index = null!;
    private ListLevel _lists = null!;
    private OpenedLists _opened = null!;
    private bool _sieved;

    /// <summary>Rows whose weights are kept, list after list; there may be gaps, of weight 0.</summary>
    public int Stride { get; private set; }

    /// <summary>[group, stride]: shares of each query's attention.</summary>
    public Span<float> Weights => new(_weights.Pointer, _lists.Group * Stride);

    /// <summary>[stride]: how much a row's key deserves to be read; the sum of its weights.</summary>
    public Span<float> Scores => new(_scores.Pointer, Stride);

    /// <summary>Parts that look for candidates, after <see cref="Scan"/>.</summary>
    public int SieveParts => _sieved ? _opened.Parts : 0;

    private ReadOnlySpan<int> Starts => _sieved ? _starts : _opened.Starts;

    /// <param name="total">[group]: what weights are relative to, logarithms.</param>
    public void Begin(in CascadeQuery query, ListLevel lists, OpenedLists opened, float[] total)
    {
        (_index, _lists, _opened, _sieved) = (query.Index, lists, opened, CandidateSieve.Pays(query, opened));
        int group = query.Group;
        _scanner.Begin(query, lists, opened, total);
        Scratch.Grow(ref _sums, group * opened.Count);
        Scratch.Grow(ref _moved, group);
        Scratch.Grow(ref _restScale, group);
        Scratch.Grow(ref _largest, group * opened.Parts);
        if (_sieved)
        {
            _sieve.Begin(query, lists, opened, _scanner);
            Scratch.Grow(ref _starts, opened.Count);
        }
        else
        {
            Lay(opened.Stride);
        }
    }

    /// <summary>Logits of the rows of one part, relative to the total; of many rows those of the leading lists.</summary>
    public void Scan(int part)
    {
        if (_sieved)
        {
            _sieve.Lead(part);
            return;
        }
        (int begin, int end) = _opened.Of(part);
        var cursor = new SegmentCursor(_index);
        _scanner.Prefetch(cursor, begin, end);
        for (int i = begin; i < end; i++)
            _scanner.Scan(ref cursor, i, _weights.Pointer + _opened.Starts[i], Stride);
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
        }
        if (_sieved)
            LayCandidates();
    }

    /// <summary>Weights of one part.</summary>
    public void Weigh(int part)
    {
        (int begin, int end) = _opened.Of(part);
        int group = _lists.Group, stride = _sieved ? _sieve.Stride : Stride;
        float* weights = _weights.Pointer, scores = _scores.Pointer, source = _sieved ? _sieve.Logits : weights;
        fixed (float* sums = _sums, moved = _moved)
        {
            new Span<float>(sums + begin * group, (end - begin) * group).Clear();
            for (int i = begin; i < end; i++)
            {
                int from = _sieved ? _sieve.Starts[i] : _opened.Starts[i], to = Starts[i], rows = Rows(i);
                if (rows > 0)
                    CodeWeights.Compute(source + from, stride, rows, group, moved, weights + to, Stride, scores + to, sums + i * group);
                if (!_sieved)
                    continue;
                _sieve.Places.AsSpan(from, rows).CopyTo(_places.AsSpan(to));
                for (int g = 0; g < group; g++)
                    sums[i * group + g] += _sieve.Rest[i * group + g] * _restScale[g];
            }
        }
    }

    /// <summary>Sums over codes replace the masses of the opened lists, and correct those of the closed ones.</summary>
    public void ReplaceMasses()
    {
        int group = _lists.Group, count = _lists.Count;
        for (int g = 0; g < group && _opened.Count > 0; g++)
        {
            Span<float> mass = _lists.Mass.Slice(g * count, count);
            float promised = 0, found = 0;
            for (int i = 0; i < _opened.Count; i++)
            {
                promised += mass[_opened.Numbers[i]];
                found += _sums[i * group + g];
            }
            Promises.Scale(mass, Promises.Correction(promised, TensorPrimitives.Sum<float>(mass), found, _moved[g]));
            for (int i = 0; i < _opened.Count; i++)
                mass[_opened.Numbers[i]] = _sums[i * group + g];
        }
    }

    /// <summary>Place of a row whose weights are kept among the rows of all opened lists.</summary>
    public int Place(int at) => _sieved ? _places[at] : at;

    /// <summary>Rows of a list that logits are there for, in whole blocks.</summary>
    private int Rows(int opened) => _sieved
        ? (_sieve.Counts[opened] + CodeScan.BlockRows - 1) / CodeScan.BlockRows * CodeScan.BlockRows
        : _opened.Starts[opened + 1] - _opened.Starts[opened];

    private void FindLargest(int part)
    {
        (int begin, int end) = _opened.Of(part);
        for (int g = 0; g < _lists.Group; g++)
        {
            float largest = float.NegativeInfinity;
            for (int i = begin; _sieved && i < end; i++)
                largest = MathF.Max(largest, CodeWeights.Largest(_sieve.Logits + (long)g * _sieve.Stride + _sieve.Starts[i], Rows(i)));
            if (!_sieved)
                largest = CodeWeights.Largest(_weights.Pointer + (long)g * Stride + _opened.Starts[begin], _opened.Starts[end] - _opened.Starts[begin]);
            _largest[part * _lists.Group + g] = largest;
        }
    }

    /// <summary>Candidates of a part follow one another: the block that a list's end in is finished by the next list's.</summary>
    private void LayCandidates()
    {
        int to = 0;
        for (int part = 0; part < _opened.Parts; part++)
        {
            (int begin, int end) = _opened.Of(part);
            int last = to;
            for (int i = begin; i < end; i++)
            {
                _starts[i] = to;
                last = Math.Max(last, to + Rows(i));
                to += _sieve.Counts[i];
            }
            to = last;
        }
        Lay(to);
    }

    private void Lay(int stride)
    {
        Stride = stride;
        _weights.Grow((long)_lists.Group * stride);
        _scores.Grow(stride);
        if (_sieved)
            Scratch.Grow(ref _places, stride);
    }
}
