using Retrieval.Offload;
using Retrieval.Runtime.Policies;
using Retrieval.TestKit;
using Xunit;

namespace Retrieval.Runtime.Tests.Policies;

/// <summary>Prompts whose later tokens search the index of the earlier ones.</summary>
public sealed class SparsePrefillTests
{
    private const int Prompt = 2600;

    // Segments of 256 tokens, so that a short prompt has several; 16-bit rows, so that reading them all rounds nothing.
    private static readonly IvfPqPolicy Sparse = new() { Sinks = 8, Window = 100, RowsPerList = 8, DensePrefill = 600 };

    private static readonly IvfPqPolicy Exact = Sparse with { DensePrefill = int.MaxValue };

    // Every token is read like a question, and a question reads everything.
    private static readonly IvfPqPolicy Everything = Sparse with
    {
        CarefulPrefill = int.MaxValue,
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
    public void ReadingEverythingIsExact()
    {
        using Engine engine = Logits.LoadRecallNano(chunk: 300, threads: 2, RowFormat.F16);
        int[] tokens = Tokens(engine, Prompt);
        float[][] all = Logits.Of(engine, Everything, tokens), exact = Logits.Of(engine, Everything with { DensePrefill = int.MaxValue }, tokens);
        Logits.AssertNear(exact[0], all[0], 5e-3, "everything is read");
    }

    [Fact]
    public void TheDefaultIsNearExactAndNotExact()
    {
        using Engine engine = Logits.LoadRecallNano(chunk: 300, threads: 2, RowFormat.F16);
        int[] tokens = Tokens(engine, Prompt);
        double distance = Logits.Distance(Logits.Of(engine, Exact, tokens)[0], Logits.Of(engine, Sparse, tokens)[0]);
        Assert.InRange(distance, 1e-4, 1);
    }

    [Fact]
    public void TwoRunsGiveTheSameLogitsWhateverTheThreads()
    {
        float[][][] runs = [.. ((int[])[1, 2, 2]).Select(threads =>
        {
            using Engine engine = Logits.LoadRecallNano(chunk: 300, threads);
            int[] tokens = Tokens(engine, Prompt + 3);
            return Logits.Of(engine, Sparse, tokens.AsSpan(0, Prompt), tokens.AsSpan(Prompt));
        })];
        Assert.Equal(runs[1], runs[2]);
        for (int i = 0; i < runs[0].Length; i++)
            Logits.AssertNear(runs[0][i], runs[1][i], 5e-3, $"two threads, step {i}");
    }

    /// <summary>Shorter prompts than <see cref="IvfPqPolicy.DensePrefill"/> never search.</summary>
    [Fact]
    public void ShortPromptsAreExact()
    {
        using Engine engine = Logits.LoadRecallNano(chunk: 300, threads: 2);
        int[] tokens = Tokens(engine, 500);
        Assert.Equal(Logits.Of(engine, Exact, tokens), Logits.Of(engine, Sparse, tokens));
    }

    /// <summary>A question is put to a text, the session rewound, and another one put: as if it had been the first.</summary>
    [Theory]
    [InlineData(Prompt)]
    [InlineData(1800)]
    [InlineData(300)]
    public void ARewoundSessionReadsOnAsBefore(int length)
    {
        using Engine engine = Logits.LoadRecallNano(chunk: 300, threads: 2, RowFormat.F16);
        Logits.AssertRewinds(engine, Sparse, Tokens(engine, Prompt + 90), Prompt, length);
    }

    /// <summary>Interrupted while it is read, a prompt leaves nothing behind: what was indexed of it is gone.</summary>
    [Theory]
    [InlineData(0.3)]
    [InlineData(0.6)]
    [InlineData(0.9)]
    public void AnInterruptedPromptLeavesNothing(double at)
    {
        using Engine engine = Logits.LoadRecallNano(chunk: 300, threads: 2);
        int[] tokens = Tokens(engine, Prompt);
        using Session session = engine.NewSession(Sparse);
        session.Append(tokens.AsSpan(0, 50));
        using var cancel = new CancellationTokenSource();
        var progress = new Progress(fraction =>
        {
            if (fraction >= at)
                cancel.Cancel();
        });
        Assert.Throws<OperationCanceledException>(() => session.Append(tokens.AsSpan(50), progress, cancel.Token));
        Assert.Equal(50, session.Length);
        Assert.Equal(0, session.IndexedTokens);
        session.Append(tokens.AsSpan(50));
        using Session other = engine.NewSession(Sparse);
        other.Append(tokens.AsSpan(0, 50));
        other.Append(tokens.AsSpan(50));
        Assert.Equal(other.Length, session.Length);
        Logits.AssertNear(other.Logits, session.Logits, 0.5, "read again");
    }

    /// <summary>An error target is calibrated although nothing is left to index when the prompt ends.</summary>
    [Fact]
    public void ErrorTargetsAreCalibrated()
    {
        using Engine engine = Logits.LoadRecallNano(chunk: 300, threads: 2);
        int[] tokens = Tokens(engine, Prompt + 5);
        float[][] aimed = Logits.Of(engine, Sparse with { MaxError = 0.01 }, tokens.AsSpan(0, Prompt), tokens.AsSpan(Prompt));
        Assert.All(aimed.SelectMany(logits => logits), x => Assert.True(float.IsFinite(x)));
    }

    private static int[] Tokens(Engine engine, int count) => RandomData.Tokens(count, engine.Config.Vocabulary, 4);

    private sealed class Progress(Action<double> report) : IProgress<PrefillProgress>
    {
        public void Report(PrefillProgress value) => report(value.Fraction);
    }
}
