namespace Retrieval.TestKit;

/// <summary>Seeded random inputs.</summary>
public static class RandomData
{
    /// <summary>Normal values of mean 0.</summary>
    public static float[] Normal(int length, int seed, float scale = 1)
    {
        var random = new Random(seed);
        var values = new float[length];
        for (int i = 0; i < length; i++)
            values[i] = scale * (float)(Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble()));
        return values;
    }

    /// <summary>Token ids below <paramref name="vocabulary"/>.</summary>
    public static int[] Tokens(int count, int vocabulary, int seed)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, count).Select(_ => random.Next(vocabulary))];
    }

    /// <summary>Cuts [0, total) into odd portions: their sizes, 1 to <paramref name="largest"/> each.</summary>
    public static List<int> Portions(int total, int largest, int seed)
    {
        var random = new Random(seed);
        List<int> sizes = [];
        for (int left = total; left > 0; left -= sizes[^1])
            sizes.Add(Math.Min(left, 1 + random.Next(largest)));
        return sizes;
    }
}
