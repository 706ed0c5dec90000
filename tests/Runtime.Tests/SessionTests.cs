using Retrieval.Runtime.Policies;
using Retrieval.TestKit;
using Xunit;

namespace Retrieval.Runtime.Tests;

/// <summary>Rewinding, forking and scoring.</summary>
public sealed class SessionTests
{
    private static readonly TinyModel Model = new() { Family = "smollm3", Layers = 3, HeadDim = 16, ExtraConfig = Sliding(9) };

    public static TheoryData<RetrievalPolicy> Policies =>
    [
        new FullPolicy(), new StreamingPolicy { Sinks = 3, Window = 6 }, new ExactPolicy { Sinks = 3, Window = 6, Budget = 10 },
    ];

    [Theory]
    [MemberData(nameof(Policies))]
    public void ARewoundSessionIsAFreshOne(RetrievalPolicy policy)
    {
        using var tiny = new TinyEngine(Model, chunk: 16);
        int[] kept = RandomData.Tokens(40, Model.Vocabulary, 1), dropped = RandomData.Tokens(50, Model.Vocabulary, 2);
        int[] after = RandomData.Tokens(30, Model.Vocabulary, 3);
        using Session session = tiny.Engine.NewSession(policy), fresh = tiny.Engine.NewSession(policy);
        session.Append(kept);
        long bytes = session.Memory.HostKvBytes;
        for (int round = 0; round < 3; round++)
        {
            session.Append(dropped);
            session.RewindTo(40);
            Assert.Equal(kept, session.Tokens);
            Assert.Equal(bytes, session.Memory.HostKvBytes);
        }
        session.Append(after);
        fresh.Append(kept);
        fresh.Append(after);
        Assert.Equal(fresh.Logits, session.Logits);
        Assert.Equal([.. kept, .. after], session.Tokens);
    }

    /// <summary>Across a page of the store, and to lengths at which sinks and window reach every token.</summary>
    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(5)]
    [InlineData(9)]
    [InlineData(511)]
    [InlineData(512)]
    [InlineData(599)]
    [InlineData(600)]
    public void RewoundToAnyLength(int length)
    {
        using var tiny = new TinyEngine(Model with { Context = 2000 }, chunk: 200);
        var policy = new ExactPolicy { Sinks = 3, Window = 6, Budget = 10 };
        int[] tokens = RandomData.Tokens(600, Model.Vocabulary, 1), after = RandomData.Tokens(20, Model.Vocabulary, 3);
        using Session session = tiny.Engine.NewSession(policy), fresh = tiny.Engine.NewSession(policy);
        session.Append(tokens);
        session.RewindTo(length);
        session.Append(after);
        fresh.Append(tokens.AsSpan(0, length));
        fresh.Append(after);
        Assert.Equal(length + 20, session.Length);
        // Keys of the rewound session came from another cut into chunks and steps.
        Logits.AssertNear(fresh.Logits, session.Logits, 1e-3, $"rewound to {length}");
    }

    [Fact]
    public void RewindingToLengthsThatAreNotThereIsRefused()
    {
        using var tiny = new TinyEngine(Model);
        using Session session = tiny.Engine.NewSession();
        session.Append([1, 2, 3]);
        Assert.Throws<ArgumentOutOfRangeException>(() => session.RewindTo(4));
        Assert.Throws<ArgumentOutOfRangeException>(() => session.RewindTo(-1));
        Assert.Equal([1, 2, 3], session.Tokens);
    }

    [Theory]
    [MemberData(nameof(Policies))]
    public void ForksDoNotSeeEachOther(RetrievalPolicy policy)
    {
        using var tiny = new TinyEngine(Model, chunk: 16);
        int[] common = RandomData.Tokens(40, Model.Vocabulary, 1);
        int[] one = RandomData.Tokens(30, Model.Vocabulary, 2), two = RandomData.Tokens(35, Model.Vocabulary, 3);
        Session session = tiny.Engine.NewSession(policy);
        session.Append(common);
        using Session fork = session.Fork();
        Assert.Equal(session.Logits, fork.Logits);
        Assert.Equal((policy, 40), (fork.Policy, fork.Length));
        session.Append(one);
        fork.Append(two);
        using Session freshOne = tiny.Engine.NewSession(policy), freshTwo = tiny.Engine.NewSession(policy);
        freshOne.Append(common);
        freshOne.Append(one);
        freshTwo.Append(common);
        freshTwo.Append(two);
        Assert.Equal(freshOne.Logits, session.Logits);
        Assert.Equal(freshTwo.Logits, fork.Logits);

        session.Dispose();
        session.Dispose();
        fork.RewindTo(40);
        fork.Append(one);
        Assert.Equal(freshOne.Logits, fork.Logits);
    }

    [Fact]
    public void ScoresAreLogProbabilitiesOfStepwiseLogits()
    {
        using var tiny = new TinyEngine(Model, chunk: 16);
        int[] before = RandomData.Tokens(25, Model.Vocabulary, 1), tokens = RandomData.Tokens(60, Model.Vocabulary, 2);
        // Streaming, to see that scores are exact all the same.
        using Session scored = tiny.Engine.NewSession(new StreamingPolicy { Sinks = 1, Window = 2 }), stepped = tiny.Engine.NewSession();
        scored.Score(before);
        stepped.Append(before);
        float[] scores = scored.Score(tokens);
        Assert.Equal(59, scores.Length);
        for (int i = 0; i < 60; i++)
        {
            stepped.Append([tokens[i]]);
            if (i == 59)
                break;
            double[] logits = [.. stepped.Logits.ToArray().Select(x => (double)x)];
            Assert.Equal(logits[tokens[i + 1]] - Math.Log(logits.Sum(Math.Exp)), scores[i], 1e-3);
        }
        Assert.Equal([.. before, .. tokens], scored.Tokens);
        // What follows a scored text continues it: the logits after its last token are there.
        Logits.AssertNear(stepped.Logits, scored.Logits, 1e-3, "after scoring");
    }

    [Fact]
    public void ScoresOfNearlyNothing()
    {
        using var tiny = new TinyEngine(Model);
        using Session session = tiny.Engine.NewSession();
        Assert.Empty(session.Score([]));
        Assert.Equal(0, session.Length);
        Assert.Empty(session.Score([3]));
        Assert.Single(session.Score([4, 5]));
        Assert.Equal([3, 4, 5], session.Tokens);
    }

    [Fact]
    public void AppendingNothingChangesNothing()
    {
        using var tiny = new TinyEngine(Model);
        using Session session = tiny.Engine.NewSession();
        session.Append([1, 2]);
        float[] logits = session.Logits.ToArray();
        session.Append([]);
        Assert.Equal(2, session.Length);
        Assert.Equal(logits, session.Logits);
    }

    [Fact]
    public void ProgressRisesToOne()
    {
        using var tiny = new TinyEngine(Model, chunk: 16);
        using Session session = tiny.Engine.NewSession();
        var reports = new Reports();
        session.Append(RandomData.Tokens(100, Model.Vocabulary, 1), reports);
        Assert.Equal(7 * Model.Layers, reports.All.Count);
        Assert.Equal(reports.All.Order(), reports.All);
        Assert.InRange(reports.All[0], 0.01, 0.5);
        Assert.Equal(1, reports.All[^1], 1e-9);
    }

    private static string Sliding(int window) => $$"""
        {"no_rope_layers": [1, 0, 1], "use_sliding_window": true, "sliding_window": {{window}},
        "layer_types": ["sliding_attention", "full_attention", "sliding_attention"]}
        """;

    private sealed class Reports : IProgress<PrefillProgress>
    {
        public List<double> All { get; } = [];

        public void Report(PrefillProgress value) => All.Add(value.Fraction);
    }
}
