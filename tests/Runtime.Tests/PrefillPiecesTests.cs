using Retrieval.TestKit;
using Xunit;

namespace Retrieval.Runtime.Tests;

/// <summary>Attention of a chunk far into a text is taken in pieces, so that whoever cancels does not wait for all of it.</summary>
public sealed class PrefillPiecesTests
{
    private static readonly EngineOptions Whole = new()
    {
        Model = Path.Combine(SharedFiles.RepositoryRoot, "models", "recall-nano"),
        Compute = ComputeType.Float32,
    };

    private static readonly int[] Tokens = [.. Enumerable.Range(0, 3000).Select(i => 3 + i * 7 % 2000)];

    [Fact]
    public void PiecesGiveWhatTheWholeGives()
    {
        using var whole = Engine.Load(Whole);
        using var pieces = Engine.Load(Whole with { UninterruptedWork = 1 });
        using Session expected = whole.NewSession(), found = pieces.NewSession();
        expected.Append(Tokens);
        found.Append(Tokens);
        Assert.Equal(expected.Logits.ToArray(), found.Logits.ToArray());
    }

    [Fact]
    public void StoppedInTheMiddleNothingIsKeptAndProgressSaysHowFarItCame()
    {
        using var engine = Engine.Load(Whole);
        using Session session = engine.NewSession();
        using var cancel = new CancellationTokenSource();
        var stop = new StopAt(0.5, cancel);

        Assert.Throws<OperationCanceledException>(() => session.Append(Tokens, stop, cancel.Token));

        Assert.Equal(0, session.Length);
        Assert.Equal((Tokens.Length, 5), (stop.Last.Tokens, stop.Last.Layers));
        Assert.InRange(stop.Last.LayersRead, 1, 4);
        Assert.InRange(stop.Last.Fraction, 0.5, 0.99);
    }

    private sealed class StopAt(double fraction, CancellationTokenSource cancel) : IProgress<PrefillProgress>
    {
        public PrefillProgress Last { get; private set; }

        public void Report(PrefillProgress value)
        {
            Last = value;
            if (value.Fraction >= fraction)
                cancel.Cancel();
        }
    }
}
