using Retrieval.Runtime.Models;

namespace Retrieval.Runtime.Compute;

/// <summary>Cosines and sines of a run of positions, [positions, dimensions / 2], with the magnitude of YaRN in them.</summary>
internal sealed class RotaryAngles
{
    private readonly float _magnitude;
    private readonly RopeConfig _rope;
    private float[] _inverse;
    private int _inverseLength;

    public RotaryAngles(RopeConfig rope)
    {
        _rope = rope;
        _magnitude = RopeFrequencies.Magnitude(rope);
        _inverse = RopeFrequencies.InverseFrequencies(rope, 1);
        _inverseLength = 1;
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
            for (int j = 0; j < half; j++)
            {
                // In double: at a million tokens a float32 angle is wrong by several hundredths of a radian.
                (double sin, double cos) = Math.SinCos((double)(first + i) * _inverse[j]);
                Cos[i * half + j] = (float)(cos * _magnitude);
                Sin[i * half + j] = (float)(sin * _magnitude);
            }
        }
    }
}
