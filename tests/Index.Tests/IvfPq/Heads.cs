using Retrieval.TestKit;

namespace Retrieval.Index.Tests.IvfPq;

/// <summary>Keys, values and queries that resemble attention: keys in heaps with an offset, queries that point along some axes.</summary>
internal static class Heads
{
    public static MemoryRows Keys(int count, int dim, int seed = 1)
    {
        float[] keys = RandomData.Normal(count * dim, seed), centres = RandomData.Normal(40 * dim, seed + 1);
        int[] heap = RandomData.Tokens(count, 40, seed + 2);
        for (int i = 0; i < keys.Length; i++)
            keys[i] = keys[i] * (i % dim < 6 ? 1.5f : 0.4f) + centres[heap[i / dim] * dim + i % dim] + (i % dim == 7 ? 4 : 0);
        return new MemoryRows(keys, dim);
    }

    public static MemoryRows Values(int count, int dim, int seed = 5) => new(RandomData.Normal(count * dim, seed), dim);

    /// <summary>[group, dim], scaled so that logits have a standard deviation of about two.</summary>
    public static float[] Queries(int group, int dim, int seed = 9)
    {
        float[] queries = RandomData.Normal(group * dim, seed);
        for (int i = 0; i < queries.Length; i++)
            queries[i] *= i % dim < 6 ? 0.35f : 0.9f / MathF.Sqrt(dim);
        return queries;
    }

    public static QueryMoments Moments(int dim, int group = 3, int tokens = 60)
    {
        var moments = new QueryMoments(dim);
        for (int token = 0; token < tokens; token++)
            moments.Add(Queries(group, dim, 1000 + token));
        return moments;
    }
}
