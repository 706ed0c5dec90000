using System.Numerics.Tensors;
using Retrieval.Index.Kernels;

namespace Retrieval.Index;

/// <summary>First level of a <see cref="Cascade"/>: logits and masses of all lists, the segments' one after another.</summary>
internal sealed unsafe class ListLevel
{
    // Nats between the largest and the least mass of lists; beyond it shares underflow.
    private const float WidestRange = 80;

    private readonly PinnedMemory<float> _logits = new(), _mass = new(), _scores = new(), _variances = new(), _tempered = new();
    private float[] _queries = [], _energies = [], _extremes = [];
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
        _mass.Grow(Group * Count);
        _scores.Grow(Count);
        Scratch.Grow(ref _extremes, Parts * Group * 2);
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
        ReadOnlySpan<IvfPqSegment> segments = _index.SegmentSpan;
        (int begin, int end) = SegmentParts.Of(_index, part);
        fixed (float* x = _queries, energies = _energies, allExtremes = _extremes)
        {
            float* extremes = allExtremes + part * Group * 2;
            for (int g = 0; g < Group; g++)
                (extremes[2 * g], extremes[2 * g + 1]) = (float.PositiveInfinity, float.NegativeInfinity);
            for (int s = begin; s < end; s++)
            {
                if (s + 1 < segments.Length)
                    segments[s + 1].PrefetchLists();
                int first = _index.FirstLists[s];
                ListScores.Compute(
                    segments[s], x, energies, Group, scratch, _logits.Pointer + first, _mass.Pointer + first, _withVariances ? _variances.Pointer + first : null, Count, extremes);
            }
        }
    }

    /// <summary>Masses become shares of each query's whole attention, whose logarithm total receives; a list's score is the sum of its shares.</summary>
    /// <param name="resident">[group]: log-sum-exp of what is read anyway.</param>
    /// <param name="total">[group]</param>
    public void Share(float* resident, float[] total)
    {
        Span<float> scores = Scores;
        for (int g = 0; g < Group; g++)
        {
            Span<float> mass = Mass.Slice(g * Count, Count);
            (float least, float largest) = Extremes(g);
            float max = MathF.Max(largest, resident[g]), sum;
            bool sharp = largest - least > WidestRange;
            if (sharp)
                AddTempered(mass, least, largest, first: g == 0);
            fixed (float* shares = mass)
                sum = VectorExp.Shares(shares, Count, max) + MathF.Exp(resident[g] - max);
            TensorPrimitives.Multiply(mass, 1 / sum, mass);
            total[g] = max + MathF.Log(sum);
            if (sharp)
                continue;
            if (g == 0)
                mass.CopyTo(scores);
            else
                TensorPrimitives.Add(scores, mass, scores);
        }
    }

    private (float Least, float Largest) Extremes(int g)
    {
        (float least, float largest) = (float.PositiveInfinity, float.NegativeInfinity);
        for (int part = 0; part < Parts; part++)
        {
            least = MathF.Min(least, _extremes[2 * (part * Group + g)]);
            largest = MathF.Max(largest, _extremes[2 * (part * Group + g) + 1]);
        }
        return (least, largest);
    }

    /// <summary>Scores of a head so sharp that most shares would be 0: the same order, in a range that floats can tell apart.</summary>
    private void AddTempered(ReadOnlySpan<float> mass, float least, float largest, bool first)
    {
        Span<float> tempered = new(_tempered.Grow(Count), Count);
        TensorPrimitives.Subtract(mass, largest, tempered);
        TensorPrimitives.Multiply(tempered, WidestRange / (largest - least), tempered);
        VectorExp.Shares(_tempered.Pointer, Count, 0);
        if (first)
            tempered.CopyTo(Scores);
        else
            TensorPrimitives.Add(Scores, tempered, Scores);
    }
}
