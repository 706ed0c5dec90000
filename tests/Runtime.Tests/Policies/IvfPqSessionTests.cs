using Retrieval.Offload;
using Retrieval.Runtime.Policies;
using Retrieval.TestKit;
using Xunit;

namespace Retrieval.Runtime.Tests.Policies;

/// <summary>Sessions whose far tokens are indexed: rewinding, forking, and the same run twice.</summary>
public sealed class IvfPqSessionTests
{
    // A prompt long enough for an index in every layer.
    private const int Prompt = 1400;

    private static readonly IvfPqPolicy Policy = new() { Sinks = 8, Window = 200 };

    private static readonly IvfPqPolicy Everything = Policy with
    {
        OpenShare = 1,
        OpenMost = int.MaxValue,
        KeyShare = 1,
        KeysMost = int.MaxValue,
        ValueShare = 1,
        ValuesMost = int.MaxValue,
        ListShare = 0,
        RowShare = 0,
    };

    [Fact]
    public void TwoRunsGiveTheSameLogits()
    {
        using Engine engine = Logits.LoadRecallNano(threads: 2);
        int[] tokens = Tokens(engine, Prompt + 40);
        float[][] one = Logits.Of(engine, Policy, tokens.AsSpan(0, Prompt), tokens.AsSpan(Prompt));
        float[][] two = Logits.Of(engine, Policy, tokens.AsSpan(0, Prompt), tokens.AsSpan(Prompt));
        Assert.Equal(one, two);
    }

    /// <summary>Pieces are cut by the number of threads, so sums round differently, and only that.</summary>
    [Fact]
    public void TheNumberOfThreadsChangesNoMoreThanRounding()
    {
        float[][][] runs = [.. ((int[])[1, 2, 3]).Select(threads =>
        {
            using Engine engine = Logits.LoadRecallNano(threads: threads);
            int[] tokens = Tokens(engine, Prompt + 20);
            return Logits.Of(engine, Policy, tokens.AsSpan(0, Prompt), tokens.AsSpan(Prompt));
        })];
        for (int i = 0; i < runs[0].Length; i++)
        {
            Logits.AssertNear(runs[0][i], runs[1][i], 5e-3, $"two threads, step {i}");
            Logits.AssertNear(runs[0][i], runs[2][i], 5e-3, $"three threads, step {i}");
        }
    }

    /// <summary>By less than the window, so that indexed rows come back into it, by more, and into the middle of the index.</summary>
    [Theory]
    [InlineData(Prompt - 1)]
    [InlineData(Prompt - 50)]
    [InlineData(Prompt - 199)]
    [InlineData(Prompt - 201)]
    [InlineData(700)]
    [InlineData(5)]
    public void ARewoundSessionGoesOn(int length)
    {
        using Engine engine = Logits.LoadRecallNano(rows: RowFormat.F16);
        int[] after = RandomData.Tokens(1300, engine.Config.Vocabulary, 77);
        using Session session = engine.NewSession(Everything);
        session.Append(Tokens(engine, Prompt));
        session.RewindTo(length);
        Assert.Equal(length, session.Length);
        for (int i = 0; i < 5; i++)
            AssertStepIsFullAttention(session, after.AsSpan(i, 1));
        session.Append(after.AsSpan(5));
        for (int i = 0; i < 5; i++)
            AssertStepIsFullAttention(session, after.AsSpan(i, 1));
        Assert.True(session.Memory.IndexBytes > 0);
    }

    /// <summary>A prompt that ends inside the window, or none at all: everything that is indexed later was generated.</summary>
    [Theory]
    [InlineData(1)]
    [InlineData(100)]
    public void ALongGenerationAfterAShortPromptIsIndexed(int prompt)
    {
        using Engine engine = Logits.LoadRecallNano(rows: RowFormat.F16);
        int[] tokens = Tokens(engine, 1320);
        using Session session = engine.NewSession(Everything with { Window = 20 });
        session.Append(tokens.AsSpan(0, prompt));
        for (int i = prompt; i < tokens.Length; i++)
        {
            if (i % 200 == 0 || i >= 1310)
                AssertStepIsFullAttention(session, tokens.AsSpan(i, 1));
            else
                session.Append(tokens.AsSpan(i, 1));
        }
        Assert.True(session.Memory.IndexBytes > 0);
    }

    /// <summary>A fork under another policy reads rows in the order of their arrival, as that policy expects.</summary>
    [Fact]
    public void AForkUnderAnotherPolicyIsASessionUnderIt()
    {
        using Engine engine = Logits.LoadRecallNano(rows: RowFormat.F16);
        int[] tokens = Tokens(engine, Prompt + 6);
        using Session session = engine.NewSession(Policy);
        session.Score(tokens.AsSpan(0, Prompt));
        RetrievalPolicy[] others =
        [
            new FullPolicy(), new StreamingPolicy { Sinks = 8, Window = 600 }, new ExactPolicy { Sinks = 8, Window = 500, Budget = 100 },
            Policy with { Window = 300 }, Policy with { Sinks = 100 }, Policy with { RowsPerList = 16 },
        ];
        foreach (RetrievalPolicy policy in others)
        {
            using Session fork = session.Fork(policy), fresh = engine.NewSession(policy);
            fresh.Score(tokens.AsSpan(0, Prompt));
            for (int i = Prompt; i < tokens.Length; i++)
            {
                fork.Append(tokens.AsSpan(i, 1));
                fresh.Append(tokens.AsSpan(i, 1));
                Logits.AssertNear(fresh.Logits, fork.Logits, 2e-3, $"{policy}, step {i - Prompt}");
            }
        }
    }

    [Fact]
    public void ForksDoNotSeeEachOther()
    {
        using Engine engine = Logits.LoadRecallNano();
        int[] tokens = Tokens(engine, Prompt), one = RandomData.Tokens(12, engine.Config.Vocabulary, 5), two = RandomData.Tokens(12, engine.Config.Vocabulary, 6);
        using Session session = engine.NewSession(Policy);
        session.Append(tokens);
        using Session fork = session.Fork();
        session.Append(one);
        fork.Append(two);
        using Session freshOne = engine.NewSession(Policy), freshTwo = engine.NewSession(Policy);
        freshOne.Append(tokens);
        freshOne.Append(one);
        freshTwo.Append(tokens);
        freshTwo.Append(two);
        Assert.Equal(freshOne.Logits, session.Logits);
        Assert.Equal(freshTwo.Logits, fork.Logits);
        session.RewindTo(100);
        fork.RewindTo(Prompt);
        fork.Append(one);
        Assert.Equal(freshOne.Logits, fork.Logits);
    }

    /// <summary>Compared on a fork, whose rows are the same to the bit.</summary>
    private static void AssertStepIsFullAttention(Session session, ReadOnlySpan<int> token)
    {
        using Session full = session.Fork(new FullPolicy { Sinks = session.Policy.Sinks, Window = session.Policy.Window });
        full.Append(token);
        session.Append(token);
        // Rounding: depending on the order of lists alone the largest of all these distances is 3e-5 to 1.3e-4, most are below 2e-5.
        Logits.AssertNear(full.Logits, session.Logits, 2e-4, $"{session.Length} tokens");
    }

    private static int[] Tokens(Engine engine, int count) => RandomData.Tokens(count, engine.Config.Vocabulary, 21);
}
