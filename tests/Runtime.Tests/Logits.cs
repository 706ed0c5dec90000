using Retrieval.Offload;
using Retrieval.Runtime.Policies;
using Retrieval.TestKit;
using Xunit;

namespace Retrieval.Runtime.Tests;

/// <summary>Logits and how to compare them.</summary>
internal static class Logits
{
    public static string RecallNano { get; } = Path.Combine(SharedFiles.RepositoryRoot, "models", "recall-nano");

    /// <param name="rows">Rows that a policy indexes; 16-bit ones stay what they are.</param>
    public static Engine LoadRecallNano(int chunk = 1024, int threads = 1, RowFormat rows = RowFormat.I8)
        => Engine.Load(new EngineOptions { Model = RecallNano, Compute = ComputeType.Float32, PrefillChunk = chunk, Threads = threads, KvRows = rows });

    /// <summary>Logits after a prompt in a session of its own, and after each further token.</summary>
    public static float[][] Of(Engine engine, RetrievalPolicy policy, ReadOnlySpan<int> prompt, params ReadOnlySpan<int> steps)
    {
        using Session session = engine.NewSession(policy);
        session.Append(prompt);
        List<float[]> all = [session.Logits.ToArray()];
        foreach (int token in steps)
        {
            session.Append([token]);
            all.Add(session.Logits.ToArray());
        }
        return [.. all];
    }

    /// <summary>A question is put to a text, the session rewound, and another one put: as if it had been the first.</summary>
    /// <param name="tokens">The text of <paramref name="prompt"/> tokens and the second question; the first one is its beginning.</param>
    /// <param name="length">Where the session is rewound to.</param>
    public static void AssertRewinds(Engine engine, RetrievalPolicy policy, int[] tokens, int prompt, int length)
    {
        using Session session = engine.NewSession(policy), other = engine.NewSession(policy);
        session.Append(tokens.AsSpan(0, prompt));
        session.Append(tokens.AsSpan(prompt, 40));
        session.RewindTo(length);
        session.Append(tokens.AsSpan(prompt));
        other.Append(tokens.AsSpan(0, prompt));
        other.RewindTo(length);
        other.Append(tokens.AsSpan(prompt));
        Assert.Equal(other.Logits.ToArray(), session.Logits.ToArray());
    }

    public static double Distance(ReadOnlySpan<float> a, ReadOnlySpan<float> b)
    {
        Assert.Equal(a.Length, b.Length);
        double largest = 0;
        for (int i = 0; i < a.Length; i++)
        {
            double difference = Math.Abs(a[i] - b[i]);
            largest = difference <= largest ? largest : difference; // a NaN stays
        }
        return largest;
    }

    public static void AssertNear(ReadOnlySpan<float> expected, ReadOnlySpan<float> actual, double tolerance, string where)
    {
        double distance = Distance(expected, actual);
        Assert.True(distance <= tolerance, $"{where}: logits differ by {distance:g3}, allowed {tolerance:g3}");
    }

    /// <summary>Near, and the most likely token is the same, or as likely to within the tolerance.</summary>
    public static void AssertNear(double[] expected, ReadOnlySpan<float> actual, double tolerance, string where)
    {
        AssertNear(Array.ConvertAll(expected, x => (float)x), actual, tolerance, where);
        int chosen = Runtime.Sampling.Sampler.ArgMax(actual);
        Assert.True(expected[chosen] >= expected.Max() - 2 * tolerance, $"{where}: token {chosen} is not the most likely one");
    }
}
