using Retrieval.Runtime.Models;

namespace Retrieval.Runtime.Compute;

/// <summary>Cosines and sines of a run of positions, [positions, dimensions / 2], with the magnitude of YaRN in them.</summary>
internal sealed class RotaryAngles
{
    // Sine and cosine of a position follow from those of the position before it that this divides, and of the rest.
    private const int Run = 16;

    private readonly float _magnitude;
    private readonly RopeConfig _rope;
    private float[] _inverse;
    private int _inverseLength;
    private readonly (double Sin, double Cos)[] _rests;
    private readonly (double Sin, double Cos)[] _anchor;

    public RotaryAngles(RopeConfig rope)
    {
        _rope = rope;
        _magnitude = RopeFrequencies.Magnitude(rope);
        _inverse = RopeFrequencies.InverseFrequencies(rope, 1);
        _inverseLength = 1;
        _rests = new (double, double)[Run * _inverse.Length];
        _anchor = new (double, double)[_inverse.Length];
        SetRests();
    }

    public int Dimensions => _rope.Dimensions;

    public bool Adjacent => _rope.Pairs == RopePairs.Adjacent;

    public int Count { get; private set; }

    /// <summary>Changes with every <see cref="Set"/>, so that copies on a device know when they are old.</summary>
    public long Version { get; private set; }

    public float[] Cos { get; private set; } = [];

    public float[] Sin { get; private set; } = [];

    /// <summary>Fills the tables for positions [first, first + count).</summary>
    /// <param name="contextLength">Tokens of the whole sequence: the frequencies of dynamic scaling depend on it.</param>
    public void Set(int first, int count, int contextLength)
    {
        if (_rope.Scaling == RopeScaling.Dynamic && contextLength != _inverseLength)
        {
            _inverse = RopeFrequencies.InverseFrequencies(_rope, contextLength);
            _inverseLength = contextLength;
            SetRests();
        }
        int half = _rope.Dimensions / 2;
        if (Cos.Length < count * half)
        {
            Cos = new float[count * half];
            Sin = new float[count * half];
        }
        Count = count;
        Version++;
        for (int i = 0; i < count; i++)
        {
            int position = first + i, rest = position % Run;
            if (i == 0 || rest == 0)
                SinCos(position - rest, _anchor);
            ReadOnlySpan<(double Sin, double Cos)> anchors = _anchor, rests = _rests.AsSpan(rest * half, half);
            Span<float> cosines = Cos.AsSpan(i * half, half), sines = Sin.AsSpan(i * half, half);
            for (int j = 0; j < half; j++)
            {
                (double sin, double cos) = anchors[j];
                (double restSin, double restCos) = rests[j];
                cosines[j] = (float)((cos * restCos - sin * restSin) * _magnitude);
                sines[j] = (float)((sin * restCos + cos * restSin) * _magnitude);
            }
        }
    }

    private void SetRests()
    {
        for (int rest = 0; rest < Run; rest++)
            SinCos(rest, _rests.AsSpan(rest * _inverse.Length, _inverse.Length));
    }

    /// <summary>In double: at a million tokens a float32 angle is wrong by several hundredths of a radian.</summary>
    private void SinCos(int position, Span<(double Sin, double Cos)> pairs)
    {
        for (int j = 0; j < pairs.Length; j++)
            pairs[j] = Math.SinCos((double)position * _inverse[j]);
    }
}
