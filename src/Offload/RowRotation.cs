namespace Retrieval.Offload;

/// <summary>
/// Turns rows of keys or queries on or back by a number of positions, as rotary position embeddings turn them: pair i of a row by
/// positions · inverseFrequencies[i] (arXiv 2104.09864). A key that is turned back by its position stands at the origin.
/// </summary>
public sealed unsafe class RowRotation
{
    // A position is written with digits of this base, and its angle is the sum of theirs: three digits hold any int.
    private const int DigitBits = 11, Digit = 1 << DigitBits, Digits = 3;

    private readonly (double Sin, double Cos)[][] _digits;
    private readonly int _pairs;
    private readonly bool _adjacent;

    /// <param name="inverseFrequencies">Radians a position, a pair each; elements behind the last pair stay as they are.</param>
    /// <param name="adjacentPairs">Pairs are (2 i, 2 i + 1) rather than (i, i + pairs).</param>
    public RowRotation(float[] inverseFrequencies, bool adjacentPairs)
    {
        (_pairs, _adjacent) = (inverseFrequencies.Length, adjacentPairs);
        _digits = new (double, double)[Digits][];
        for (int digit = 0; digit < Digits; digit++)
        {
            // The last digit's values end with the range of int.
            _digits[digit] = new (double, double)[(digit < Digits - 1 ? Digit : 1 << (31 - (Digits - 1) * DigitBits)) * _pairs];
            for (int i = 0; i < _digits[digit].Length; i++)
                // In double: at a million tokens a float32 angle is wrong by several hundredths of a radian.
                _digits[digit][i] = Math.SinCos((double)((long)(i / _pairs) << (digit * DigitBits)) * inverseFrequencies[i % _pairs]);
        }
    }

    /// <summary>Turns rows on by so many positions; back, if they are negative.</summary>
    /// <param name="rows">[count, dim]</param>
    /// <param name="dim">At least twice the pairs.</param>
    public void Turn(float* rows, int count, int dim, int positions)
    {
        float* cos = stackalloc float[_pairs], sin = stackalloc float[_pairs];
        Angles(positions, cos, sin);
        // Distance between the two elements of a pair, and between pairs.
        int partner = _adjacent ? 1 : _pairs, step = _adjacent ? 2 : 1;
        for (float* row = rows; row < rows + (long)count * dim; row += dim)
        {
            for (int i = 0; i < _pairs; i++)
            {
                float a = row[i * step], b = row[i * step + partner];
                row[i * step] = a * cos[i] - b * sin[i];
                row[i * step + partner] = b * cos[i] + a * sin[i];
            }
        }
    }

    private void Angles(int positions, float* cos, float* sin)
    {
        uint number = (uint)Math.Abs((long)positions);
        for (int i = 0; i < _pairs; i++)
        {
            (double s, double c) = _digits[0][(int)(number % Digit) * _pairs + i];
            uint rest = number >> DigitBits;
            for (int digit = 1; rest > 0; digit++, rest >>= DigitBits)
            {
                (double s2, double c2) = _digits[digit][(int)(rest % Digit) * _pairs + i];
                (s, c) = (s * c2 + c * s2, c * c2 - s * s2);
            }
            cos[i] = (float)c;
            sin[i] = (float)(positions < 0 ? -s : s);
        }
    }
}
