using Retrieval.Runtime.Policies;
using Retrieval.TestKit;
using Xunit;

namespace Retrieval.Runtime.Tests;

/// <summary>
/// With a budget for everything, <c>exact</c> gives the logits of <c>full</c> at every step from the same state. Each step is
/// compared on a fork, because two sessions that go their own way round single 16-bit rows differently and drift apart.
/// </summary>
public sealed class ExactEqualsFullTests
{
    private const float Tolerance = 1e-4f;

    [Fact]
    public void AtEveryStepFromTheSameState()
    {
        using var engine = Engine.Load(new EngineOptions
        {
            Model = Path.Combine(SharedFiles.RepositoryRoot, "models", "recall-nano"),
            Compute = ComputeType.Float32,
            Policy = new FullPolicy { Sinks = 8, Window = 32 },
        });
        int[] tokens = RandomData.Tokens(660, engine.Config.Vocabulary, 11);
        using Session full = engine.NewSession();
        full.Append(tokens.AsSpan(0, 620));
        float largest = 0;
        foreach (int token in tokens.AsSpan(620))
        {
            using Session exact = full.Fork(new ExactPolicy { Sinks = 8, Window = 32, Budget = int.MaxValue });
            exact.Append([token]);
            full.Append([token]);
            for (int i = 0; i < full.Logits.Length; i++)
                largest = Math.Max(largest, Math.Abs(full.Logits[i] - exact.Logits[i]));
        }
        Assert.InRange(largest, 0, Tolerance);
    }
}
