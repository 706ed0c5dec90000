using Retrieval.Offload;
using Retrieval.Runtime.Policies;
using Retrieval.TestKit;
using Xunit;

namespace Retrieval.Runtime.Tests.Policies;

/// <summary>Sessions whose far tokens are all met at one distance.</summary>
public sealed class ClampedPositionsTests
{
    private const int Prompt = 2600;

    private static readonly IvfPqPolicy Clamped = new() { Sinks = 8, Window = 300, RowsPerList = 8, DensePrefill = 600, Positions = FarPositions.Clamped };

    /// <summary>While nothing is indexed, nothing is clamped.</summary>
    [Fact]
    public void ShortTextsAreAsEver()
    {
        using TinyEngine tiny = Load();
        Engine engine = tiny.Engine;
        int[] tokens = Tokens(engine, 290);
        Assert.Equal(Logits.Of(engine, Clamped with { Positions = FarPositions.Rope }, tokens), Logits.Of(engine, Clamped, tokens));
    }

    [Fact]
    public void LongTextsAreNot()
    {
        using TinyEngine tiny = Load();
        Engine engine = tiny.Engine;
        int[] tokens = Tokens(engine, Prompt);
        float[] rope = Logits.Of(engine, Clamped with { Positions = FarPositions.Rope }, tokens)[0], clamped = Logits.Of(engine, Clamped, tokens)[0];
        Assert.All(clamped, logit => Assert.True(float.IsFinite(logit)));
        Assert.True(Logits.Distance(rope, clamped) > 1e-3);
    }

    /// <summary>Rows that return from a segment stand again where they stood.</summary>
    [Theory]
    [InlineData(Prompt)]
    [InlineData(1800)]
    [InlineData(250)]
    public void ARewoundSessionReadsOnAsBefore(int length)
    {
        using TinyEngine tiny = Load();
        Engine engine = tiny.Engine;
        Logits.AssertRewinds(engine, Clamped, Tokens(engine, Prompt + 90), Prompt, length);
    }

    /// <summary>Generated tokens leave the window too, and are indexed as those of a prompt.</summary>
    [Fact]
    public void AForkGoesOnAsItsSource()
    {
        using TinyEngine tiny = Load();
        Engine engine = tiny.Engine;
        int[] tokens = Tokens(engine, Prompt + 5);
        using Session session = engine.NewSession(Clamped);
        session.Append(tokens.AsSpan(0, Prompt));
        using Session fork = session.Fork();
        foreach (int token in tokens.AsSpan(Prompt))
        {
            session.Append([token]);
            fork.Append([token]);
        }
        Assert.Equal(session.Logits.ToArray(), fork.Logits.ToArray());
    }

    [Fact]
    public void KeysThatAreStoredForOnePlaceAreOfNoUseForAnother()
    {
        using TinyEngine tiny = Load();
        Engine engine = tiny.Engine;
        using Session session = engine.NewSession(Clamped);
        session.Append(Tokens(engine, 20));
        InputException refused = Assert.Throws<InputException>(() => session.Fork(new FullPolicy()));
        Assert.Equal("A session with far positions 'Clamped' cannot go on with 'Rope' under the policy 'full'; read the text again instead.", refused.Message);
    }

    [Fact]
    public void AWindowThatLeavesTheTrainedContextIsRefused()
    {
        using TinyEngine tiny = Load();
        Engine engine = tiny.Engine;
        InputException refused = Assert.Throws<InputException>(() => engine.NewSession(Clamped with { Window = 64_000 }));
        Assert.StartsWith("The local window is 64,000 tokens, but under clamped positions ", refused.Message);
        Assert.EndsWith(" give --local-window 63188 or less.", refused.Message);
    }

    [Theory]
    [InlineData(0.02, 600)]
    [InlineData(0, int.MaxValue)]
    public void WhatNeedsAttentionToAllTokensIsRefused(double maxError, int dense)
        => Assert.Throws<InputException>(() => (Clamped with { MaxError = maxError, DensePrefill = dense }).Validate());

    // Not recall-nano: the layers of it that see everything have no positions.
    private static TinyEngine Load() => new(new TinyModel { Hidden = 64, HeadDim = 16, Context = 65_536 }, chunk: 300, threads: 2, rows: RowFormat.F16);

    private static int[] Tokens(Engine engine, int count) => RandomData.Tokens(count, engine.Config.Vocabulary, 4);
}
