using Retrieval.Runtime.Policies;
using Retrieval.TestKit;
using Xunit;

namespace Retrieval.Runtime.Tests;

/// <summary>What goes wrong leaves a session as it was.</summary>
public sealed class SessionFaultTests
{
    private static readonly TinyModel Model = new() { Layers = 3, HeadDim = 16 };

    private static readonly RetrievalPolicy Policy = new ExactPolicy { Sinks = 3, Window = 6, Budget = 10 };

    /// <summary>21 reports come from 100 tokens in chunks of 16 through 3 layers; cancelled at the n-th.</summary>
    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(6)]
    [InlineData(7)]
    [InlineData(13)]
    [InlineData(20)]
    public void ACancelledPrefillIsAsIfItHadNotBegun(int reports)
    {
        using var tiny = new TinyEngine(Model, chunk: 16);
        int[] before = RandomData.Tokens(30, Model.Vocabulary, 1), dropped = RandomData.Tokens(100, Model.Vocabulary, 2);
        int[] after = RandomData.Tokens(50, Model.Vocabulary, 3);
        using Session session = tiny.Engine.NewSession(Policy), fresh = tiny.Engine.NewSession(Policy);
        session.Append(before);
        fresh.Append(before);
        SessionMemory memory = session.Memory;
        using var cancel = new CancelAfter(reports);
        Assert.Throws<OperationCanceledException>(() => session.Append(dropped, cancel, cancel.Token));
        Assert.Equal(before, session.Tokens);
        Assert.Equal(fresh.Logits, session.Logits);
        Assert.Equal(memory, session.Memory);
        session.Append(after);
        fresh.Append(after);
        Assert.Equal(fresh.Logits, session.Logits);
    }

    [Fact]
    public void ACancelledStepOrScoreChangesNothing()
    {
        using var tiny = new TinyEngine(Model, chunk: 16);
        using Session session = tiny.Engine.NewSession(Policy), fresh = tiny.Engine.NewSession(Policy);
        session.Append([1, 2, 3]);
        fresh.Append([1, 2, 3]);
        var cancelled = new CancellationToken(canceled: true);
        Assert.Throws<OperationCanceledException>(() => session.Append([4], cancel: cancelled));
        Assert.Throws<OperationCanceledException>(() => session.Score([4, 5, 6, 7], cancelled));
        Assert.Equal([1, 2, 3], session.Tokens);
        session.Append([8, 9]);
        fresh.Append([8, 9]);
        Assert.Equal(fresh.Logits, session.Logits);
    }

    /// <summary>
    /// Sliding layers give back what lies far behind their window; a prompt longer than all they keep must still be undone when
    /// it is cancelled, at whatever moment, and scoring it must too.
    /// </summary>
    [Theory]
    [InlineData(3)]
    [InlineData(int.MaxValue)]
    public void ALongPromptOverSlidingLayersCanBeCancelled(int reports)
    {
        TinyModel model = Sliding;
        using var tiny = new TinyEngine(model, chunk: 1024);
        int[] before = RandomData.Tokens(30, model.Vocabulary, 1), after = RandomData.Tokens(50, model.Vocabulary, 3);
        int[] dropped = RandomData.Tokens(5000, model.Vocabulary, 2);
        using Session session = tiny.Engine.NewSession(Policy), fresh = tiny.Engine.NewSession(Policy);
        session.Append(before);
        using var cancel = new CancelAfter(reports);
        Assert.Throws<OperationCanceledException>(() => session.Append(dropped, cancel, cancel.Token));
        Assert.Equal(before, session.Tokens);
        session.Append(after);
        fresh.Append(before);
        fresh.Append(after);
        Assert.Equal(fresh.Logits, session.Logits);
    }

    [Fact]
    public void SlidingLayersAreRewoundAsFarAsTheirRowsReachOrToNothing()
    {
        TinyModel model = Sliding;
        using var tiny = new TinyEngine(model, chunk: 1024);
        int[] tokens = RandomData.Tokens(6000, model.Vocabulary, 2);
        using Session session = tiny.Engine.NewSession(Policy), fresh = tiny.Engine.NewSession(Policy);
        session.Append(tokens);
        float[] logits = session.Logits.ToArray();
        long whole = 6 * 2 * 512 * 12L * model.KvHeads * model.HeadDim * 2;
        Assert.True(session.Memory.HostKvBytes < whole, "no page was given back");

        string message = Assert.Throws<InputException>(() => session.RewindTo(1000)).Message;
        Assert.Contains("6,000", message);
        Assert.Contains("1,000", message);
        Assert.Equal(6000, session.Length);
        Assert.Equal(logits, session.Logits);

        session.RewindTo(2500);
        session.Append(tokens.AsSpan(2500));
        Logits.AssertNear(logits, session.Logits, 1e-3, "rewound and read again");

        session.RewindTo(0);
        Assert.Equal((0, 0L), (session.Length, session.Memory.HostKvBytes));
        session.Append(tokens.AsSpan(0, 100));
        fresh.Append(tokens.AsSpan(0, 100));
        Assert.Equal(fresh.Logits, session.Logits);
    }

    [Fact]
    public void TooManyTokensAreRefusedBeforeAnyWork()
    {
        using var tiny = new TinyEngine(Model, chunk: 16, contextLimit: 1050);
        using Session session = tiny.Engine.NewSession();
        session.Append(RandomData.Tokens(50, Model.Vocabulary, 1));
        SessionMemory memory = session.Memory;
        float[] logits = session.Logits.ToArray();
        using var progress = new CancelAfter(0);
        int[] tokens = RandomData.Tokens(1001, Model.Vocabulary, 1);
        foreach (Action attempt in (Action[])[() => session.Append(tokens, progress), () => session.Score(tokens)])
        {
            var overflow = Assert.Throws<ContextOverflowException>(attempt);
            Assert.Equal((1051L, 1050L), (overflow.Tokens, overflow.Limit));
            Assert.Contains("1,051", overflow.Message);
            Assert.Contains("1,050", overflow.Message);
        }
        Assert.Equal(0, progress.Reports);
        Assert.Equal((50, memory), (session.Length, session.Memory));
        Assert.Equal(logits, session.Logits);
        session.Append(tokens.AsSpan(0, 1000));
        Assert.Equal(1050, session.Length);
        Assert.Throws<ContextOverflowException>(() => session.Append([1]));
    }

    [Theory]
    [InlineData(-1)]
    [InlineData(48)]
    [InlineData(int.MaxValue)]
    public void TokensOutsideTheVocabularyAreRefused(int token)
    {
        using var tiny = new TinyEngine(Model);
        using Session session = tiny.Engine.NewSession();
        session.Append([47, 0]);
        float[] logits = session.Logits.ToArray();
        foreach (Action attempt in (Action[])[() => session.Append([1, token, 2]), () => session.Append([token]), () => session.Score([token])])
        {
            string message = Assert.Throws<InputException>(attempt).Message;
            Assert.Contains(token.ToString(), message);
            Assert.Contains("48", message);
        }
        Assert.Equal([47, 0], session.Tokens);
        Assert.Equal(logits, session.Logits);
    }

    [Fact]
    public void AnInvalidPolicyMakesNoSession()
    {
        using var tiny = new TinyEngine(Model);
        Assert.Throws<InputException>(() => tiny.Engine.NewSession(new StreamingPolicy { Window = 0 }));
        using Session session = tiny.Engine.NewSession();
        Assert.Throws<InputException>(() => session.Fork(new ExactPolicy { Budget = -1 }));
    }

    private static TinyModel Sliding => new()
    {
        Family = "mistral",
        Layers = 2,
        Hidden = 16,
        Heads = 2,
        KvHeads = 1,
        Context = 8192,
        ExtraConfig = """{"sliding_window": 20, "layer_types": ["sliding_attention", "full_attention"]}""",
    };

    /// <summary>Cancels when so many reports have come, or with the last one (the whole is done but for the last token).</summary>
    private sealed class CancelAfter(int reports) : IProgress<PrefillProgress>, IDisposable
    {
        private readonly CancellationTokenSource _source = new();

        public CancellationToken Token
        {
            get
            {
                if (reports == 0)
                    _source.Cancel();
                return _source.Token;
            }
        }

        public int Reports { get; private set; }

        public void Report(PrefillProgress value)
        {
            Reports++;
            if (Reports == reports || (reports == int.MaxValue && value.Fraction > 1 - 1e-9))
                _source.Cancel();
        }

        public void Dispose() => _source.Dispose();
    }
}
