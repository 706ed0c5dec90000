namespace Retrieval.Evaluation;

/// <summary>
/// PCG-XSH-RR 64/32 (O'Neill 2014). Our own, because texts made from a seed are quoted in documents and must not change
/// with the version of .NET.
/// </summary>
public sealed class SeededRandom
{
    private ulong _state;

    public SeededRandom(int seed)
    {
        _state = (ulong)(uint)seed + 0x853c49e6748fea9bUL;
        NextBits();
        NextBits();
    }

    /// <summary>Uniform in [0, count).</summary>
    public int Next(int count)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(count);
        return (int)(((ulong)NextBits() * (ulong)count) >> 32);
    }

    /// <summary>Uniform in [low, high], both included.</summary>
    public int Between(int low, int high) => low + Next(high - low + 1);

    /// <summary>Uniform in [0, 1).</summary>
    public double NextDouble() => NextBits() / 4294967296.0;

    public T Pick<T>(IReadOnlyList<T> items) => items[Next(items.Count)];

    public void Shuffle<T>(Span<T> items)
    {
        for (int last = items.Length - 1; last > 0; last--)
        {
            int other = Next(last + 1);
            (items[last], items[other]) = (items[other], items[last]);
        }
    }

    private uint NextBits()
    {
        ulong old = _state;
        _state = old * 6364136223846793005UL + 1442695040888963407UL;
        uint mixed = (uint)(((old >> 18) ^ old) >> 27);
        return uint.RotateRight(mixed, (int)(old >> 59));
    }
}
