namespace Retrieval.Index;

/// <summary>First level of a <see cref="Cascade"/>: logits and masses of all lists, the segments' one after another.</summary>
internal sealed unsafe class ListLevel
{
    private readonly PinnedMemory<float> _logits = new(), _mass = new(), _scores = new(), _variances = new(), _extremes = new();
    private float[] _queries = [], _energies = [];
    private IvfPqIndex _index = null!;
    private bool _withVariances;

    /// <summary>Lists, padding included.</summary>
    public int Count { get; private set; }

    public int Group { get; private set; }

    public int Parts { get; private set; }

    /// <summary>[group, dim], in the codec's coordinates.</summary>
    public float[] Queries => _queries;

    /// <summary>[group, lists]: logits of the centres.</summary>
    public float* Logits => _logits.Pointer;

    /// <summary>[group, lists]: logarithms of masses until <see cref="Share"/> makes them shares of each query's whole attention.</summary>
    public Span<float> Mass => new(_mass.Pointer, Group * Count);

    /// <summary>[group, lists], if there is an error target: variance of the logits inside a list.</summary>
    public Span<float> Variances => new(_variances.Pointer, Group * Count);

    /// <summary>[lists]: how much a list deserves to be opened.</summary>
    public Span<float> Scores => new(_scores.Pointer, Count);

    public void Begin(in CascadeQuery query)
    {
        IvfPqCodec codec = query.Codec;
        (_index, Group, Count, _withVariances) = (query.Index, query.Group, query.Index.FirstLists[^1], query.Targeted);
        Parts = SegmentParts.Count(_index);
        Scratch.Grow(ref _queries, Group * codec.Dim);
        Scratch.Grow(ref _energies, Group * IvfPqCodec.Bands);
        _logits.Grow(Group * Count);
        _mass.Grow(QueryQuad.Pad(Group) * Count);
        _scores.Grow(Count);
        _extremes.Grow(Parts * Group * ListScores.ExtremeFloats);
        if (_withVariances)
            _variances.Grow(Group * Count);
        fixed (float* x = _queries, energies = _energies)
        {
            codec.Transform(new ReadOnlySpan<float>(query.Queries, Group * codec.Dim), x);
            ListScores.Energies(codec, x, Group, energies);
        }
    }

    /// <summary>Scores the lists of one part.</summary>
    public void Score(int part)
    {
        float* scratch = stackalloc float[Group * Math.Max(_index.Codec.Dim, IvfPqCodec.Bands)];
        (int begin, int end) = SegmentParts.Of(_index, part);
        fixed (float* x = _queries, energies = _energies)
        {
            float* extremes = _extremes.Pointer + part * Group * ListScores.ExtremeFloats;
            ListScores.Reset(extremes, Group);
            for (int s = begin; s < end; s++)
            {
                if (s + 1 < end)
                    _index.Table(s + 1).PrefetchScores();
                int first = _index.FirstLists[s];
                ListScores.Compute(
                    _index.Table(s), _index.Codec.Dim, x, energies, Group, scratch, _logits.Pointer + first, _mass.Pointer + first, _withVariances ? _variances.Pointer + first : null, Count, extremes);
            }
        }
    }

    /// <summary>Masses become shares of each query's whole attention, whose logarithm total receives; a list's score is the sum of its shares.</summary>
    /// <param name="resident">[group]: log-sum-exp of what is read anyway.</param>
    /// <param name="total">[group]</param>
    public void Share(float* resident, float[] total)
    {
        for (int g = 0; g < Group; g++)
            total[g] = ListShares.Take(_mass.Pointer + g * Count, Count, Extremes(g), resident[g], _scores.Pointer, first: g == 0);
    }

    private (float Least, float Largest) Extremes(int g)
    {
        (float least, float largest) = (float.PositiveInfinity, float.NegativeInfinity);
        for (int part = 0; part < Parts; part++)
        {
            (float leastOfPart, float largestOfPart) = ListScores.Extremes(_extremes.Pointer + (part * Group + g) * ListScores.ExtremeFloats);
            (least, largest) = (MathF.Min(least, leastOfPart), MathF.Max(largest, largestOfPart));
        }
        return (least, largest);
    }
}
