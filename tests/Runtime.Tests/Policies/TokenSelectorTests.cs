using Retrieval.Index;
using Retrieval.Offload;
using Retrieval.Runtime.Policies;
using Retrieval.TestKit;
using Xunit;

namespace Retrieval.Runtime.Tests.Policies;

/// <summary>What every policy must do; a subclass names one.</summary>
public abstract unsafe class TokenSelectorTests : IDisposable
{
    private protected const int Sinks = 5;
    private protected const int KvHeads = 2;
    private protected const int Group = 3;
    private protected const int Dim = 16;
    private const int Rows = 1300;

    private readonly WorkerPool _workers = new(2);
    private readonly float[] _queries = RandomData.Normal(KvHeads * Group * Dim, 3, 0.5f);

    private protected TokenSelectorTests()
    {
        Keys = RandomData.Normal(Rows * KvHeads * Dim, 1);
        Store = new KvStore(new KvLayout(1, KvHeads, Dim));
        fixed (float* keys = Keys)
            Store.Append(0, keys, keys, Rows);
    }

    /// <summary>[rows, kvHeads, dim] before rounding to 16 bits.</summary>
    private protected float[] Keys { get; }

    private protected KvStore Store { get; }

    private protected ReadOnlySpan<float> Queries => _queries;

    /// <summary>The policy with <see cref="Sinks"/> sinks and a budget far below the number of rows, if it has one.</summary>
    private protected abstract RetrievalPolicy Small { get; }

    /// <summary>Most rows that <see cref="Small"/> reads for a KV head.</summary>
    private protected abstract int SmallBudget { get; }

    /// <summary>The policy with options under which it reads everything of a sequence of that length; small sinks and window if they do not matter.</summary>
    private protected abstract RetrievalPolicy Everything(int length);

    [Theory]
    [InlineData(1)]
    [InlineData(64)]
    [InlineData(600)]
    [InlineData(Rows - Sinks)]
    public void RowsAreOrderedDistinctInRangeAndWithinTheBudget(int far)
    {
        using ITokenSelector selector = Create();
        selector.Prefill(far, NoQueries);
        Selection selection = Select(selector);
        for (int head = 0; head < KvHeads; head++)
        {
            int[] rows = Chosen(selector, selection, head, far);
            Assert.True(rows.Length <= SmallBudget);
            Assert.Equal(rows.Distinct().Order(), rows);
            Assert.All(rows, row => Assert.InRange(row, Sinks, Sinks + far - 1));
        }
    }

    [Fact]
    public void AppendedRowsCountAsPrefilledOnes()
    {
        using ITokenSelector whole = Create(), mixed = Create(), stepped = Create();
        whole.Prefill(900, NoQueries);
        mixed.Prefill(300, NoQueries);
        foreach (int size in RandomData.Portions(350, 40, 1))
            mixed.Append(size);
        mixed.Prefill(250, NoQueries);
        for (int i = 0; i < 900; i++)
            stepped.Append(1);
        for (int head = 0; head < KvHeads; head++)
        {
            int[] expected = Chosen(whole, Select(whole), head, 900);
            Assert.Equal(expected, Chosen(mixed, Select(mixed), head, 900));
            Assert.Equal(expected, Chosen(stepped, Select(stepped), head, 900));
        }
    }

    [Fact]
    public void TruncationForgetsRows()
    {
        using ITokenSelector fresh = Create(), cut = Create();
        fresh.Prefill(500, NoQueries);
        cut.Prefill(1200, NoQueries);
        Select(cut);
        cut.Truncate(400);
        Assert.All(Chosen(cut, Select(cut), 0, 400), row => Assert.InRange(row, Sinks, Sinks + 399));
        cut.Append(100);
        for (int head = 0; head < KvHeads; head++)
            Assert.Equal(Chosen(fresh, Select(fresh), head, 500), Chosen(cut, Select(cut), head, 500));
    }

    [Fact]
    public void AStepLeavesNothingBehind()
    {
        using ITokenSelector selector = Create();
        selector.Prefill(700, NoQueries);
        var reused = new Selection(KvHeads, Group, Dim);
        Select(selector, reused, RandomData.Normal(KvHeads * Group * Dim, 99));
        Select(selector, reused, _queries);
        for (int head = 0; head < KvHeads; head++)
            Assert.Equal(Chosen(selector, Select(selector), head, 700), Chosen(selector, reused, head, 700));
    }

    /// <summary>The most valuable test of a policy: where it may read everything, a decode step is full attention.</summary>
    [Theory]
    [MemberData(nameof(ReferenceCase.Names), MemberType = typeof(ReferenceCase))]
    public void WithBudgetForEverythingAStepIsFullAttention(string name)
    {
        ReferenceCase test = ReferenceCase.Of(name);
        bool[] formats = test.GgufMetadata is null ? [false] : [false, true];
        foreach (bool gguf in formats)
        {
            using var tiny = new TinyEngine(test.Model, gguf, chunk: 16, metadata: test.GgufMetadata);
            AssertIsFullAttention(tiny.Engine, test.Tokens(70), 50);
        }
    }

    [Theory]
    [InlineData(20)]
    [InlineData(300)]
    [InlineData(1100)]
    public void WithBudgetForEverythingRecallNanoIsItself(int prompt)
    {
        using Engine engine = Logits.LoadRecallNano(chunk: 256, rows: RowFormat.F16);
        AssertIsFullAttention(engine, RandomData.Tokens(prompt + 12, engine.Config.Vocabulary, prompt), prompt);
    }

    /// <summary>A fork may change the policy: then it is as if the text had been read under that policy.</summary>
    [Fact]
    public void AForkUnderThisPolicyIsASessionUnderIt()
    {
        using Engine engine = Logits.LoadRecallNano();
        int[] tokens = RandomData.Tokens(410, engine.Config.Vocabulary, 4);
        // Scored, not appended: then no token was a step under the one policy or the other.
        using Session full = engine.NewSession(new FullPolicy { Window = 100, Sinks = 9 });
        full.Score(tokens.AsSpan(0, 400));
        using Session fork = full.Fork(Small);
        using Session fresh = engine.NewSession(Small);
        fresh.Score(tokens.AsSpan(0, 400));
        foreach (int token in tokens.AsSpan(400))
        {
            fork.Append([token]);
            fresh.Append([token]);
            Assert.Equal(fresh.Logits, fork.Logits);
        }
        Assert.Equal(fresh.Memory, fork.Memory);
        Assert.Equal(Small, fork.Policy);
        Assert.Equal(fresh.Tokens, fork.Tokens);
    }

    public void Dispose()
    {
        Store.Dispose();
        _workers.Dispose();
    }

    /// <summary>
    /// The first step reads rows that are the same to the bit. After it, a key of a step may round to the other 16-bit
    /// neighbour and shows in later logits; wrong attention shows a hundred times more.
    /// </summary>
    private void AssertIsFullAttention(Engine engine, int[] tokens, int prompt)
    {
        float[][] expected = Logits.Of(engine, new FullPolicy(), tokens.AsSpan(0, prompt), tokens.AsSpan(prompt));
        float[][] actual = Logits.Of(engine, Everything(tokens.Length), tokens.AsSpan(0, prompt), tokens.AsSpan(prompt));
        for (int i = 0; i < expected.Length; i++)
            Logits.AssertNear(expected[i], actual[i], i == 0 ? 1e-4 : 2e-3, $"{engine.ModelName}, {prompt + i} tokens");
    }

    private protected ITokenSelector Create() => Small.CreateSelector(new LayerContext(Store, 0, Group, Sinks, _workers, TaskScheduler.Default));

    private protected Selection Select(ITokenSelector selector)
    {
        var selection = new Selection(KvHeads, Group, Dim);
        Select(selector, selection, _queries);
        return selection;
    }

    /// <summary>Far rows that a step attends to exactly: those that were chosen, and those that the selector does not speak for.</summary>
    private protected static int[] Chosen(ITokenSelector selector, Selection selection, int head, int far)
    {
        int searched = Math.Min(far, selector.Searched);
        return [.. selection.Rows(head).ToArray(), .. Enumerable.Range(Sinks + searched, far - searched)];
    }

    /// <summary>A prompt of which no query was seen.</summary>
    private protected static PromptQueries NoQueries { get; } = new(KvHeads, Group, Dim);

    private static void Select(ITokenSelector selector, Selection selection, float[] queries)
    {
        selection.Clear();
        var attended = new float[KvHeads * AttentionPartial.Floats(Group, Dim)];
        fixed (float* data = queries, partials = attended)
            selector.Select(new DecodeQuery((nint)data, (nint)partials, Dim, Group), selection);
    }
}
