using Retrieval.Index;
using Retrieval.Offload;
using Retrieval.Runtime.Policies;
using Retrieval.TestKit;
using Xunit;

namespace Retrieval.Runtime.Tests.Policies;

/// <summary>The contract, and what is peculiar to a selector that packs the store's rows and builds beside decode.</summary>
public sealed unsafe class IvfPqSelectorTests : TokenSelectorTests
{
    // 1,300 rows are enough for a segment and some decode after it.
    private const int All = 1300 - Sinks;

    private readonly WorkerPool _pool = new(2);

    private protected override RetrievalPolicy Small => new IvfPqPolicy { Sinks = Sinks, Window = 8 };

    // Rows that are not indexed yet are read exactly, however many there are.
    private protected override int SmallBudget => int.MaxValue;

    private protected override RetrievalPolicy Everything(int length) => Reader(3, 5);

    [Theory]
    [InlineData(1)]
    [InlineData(1023)]
    [InlineData(1024)]
    [InlineData(All)]
    public void WithBudgetForEverythingAPromptIsAttendedInFull(int far)
    {
        using ITokenSelector selector = Reader(Store);
        selector.Prefill(far, NoQueries);
        Assert.Equal(far < IvfPqPolicy.SmallestSegment ? 0 : far, selector.Searched);
        Assert.Equal(far >= IvfPqPolicy.SmallestSegment, selector.IndexBytes > 0);
        AssertIsFullAttention(selector, Store, far);
        Assert.Equal(far >= IvfPqPolicy.SmallestSegment, selector.BytesRead > 0);
    }

    /// <summary>Token by token, before a segment is begun, while it is built and after it is taken over.</summary>
    [Theory]
    [InlineData(0)]
    [InlineData(150)]
    public void WithBudgetForEverythingEveryStepOfDecodeIsFullAttention(int prompt)
    {
        using ITokenSelector selector = Reader(Store);
        selector.Prefill(prompt, NoQueries);
        int before = 0;
        for (int far = prompt; far <= All; far++)
        {
            Assert.InRange(selector.Searched, before, far);
            before = selector.Searched;
            if (far % 100 == 0 || far is > 1020 and < 1100 && far % 8 == 0)
                AssertIsFullAttention(selector, Store, far);
            selector.Append(1);
        }
        Assert.True(before >= IvfPqPolicy.SmallestSegment, "no segment was built");
    }

    [Fact]
    public void TheStepsAtWhichSegmentsAppearDoNotDependOnTiming()
    {
        List<int>[] searched = [[], []];
        for (int run = 0; run < 2; run++)
        {
            using KvStore store = Store.Fork();
            using ITokenSelector selector = Reader(store);
            for (int far = 0; far < All; far++)
            {
                selector.Append(1);
                if (run == 1 && far % 50 == 0)
                    Thread.Sleep(2);
                searched[run].Add(selector.Searched);
            }
        }
        Assert.Equal(searched[0], searched[1]);
    }

    /// <summary>The store forgets the end of the segment, or only rows after it while the window takes back some of its rows.</summary>
    [Theory]
    [InlineData(1300, 1200)]
    [InlineData(1205, 1200)]
    [InlineData(1250, 1190)]
    [InlineData(1220, 900)]
    [InlineData(1000, 900)]
    [InlineData(20, 10)]
    [InlineData(5, 0)]
    public void AfterTruncationItGoesOnAsIfNothingHadBeen(int length, int far)
    {
        using KvStore store = Store.Fork();
        using ITokenSelector selector = Reader(store);
        selector.Prefill(1200, NoQueries);
        AssertIsFullAttention(selector, store, 1200);
        store.Truncate(length);
        selector.Truncate(far);
        Assert.InRange(selector.Searched, 0, far);
        // Whoever reads rows by position from here on, the window for one, finds them there.
        for (int row = Sinks + selector.Searched; row < length; row++)
            Assert.Equal(row, store.Position(0, 1, row));
        AssertIsFullAttention(selector, store, far);

        Restore(store, length);
        selector.Prefill(1200 - far, NoQueries);
        AssertIsFullAttention(selector, store, 1200);
        Assert.Equal(1200, selector.Searched);
        selector.Append(50);
        AssertIsFullAttention(selector, store, 1250);
    }

    /// <summary>Before a segment is built, right after it and later.</summary>
    [Theory]
    [InlineData(500)]
    [InlineData(1030)]
    [InlineData(1150)]
    public void AForkGoesOnAsItsSourceDoes(int at)
    {
        using KvStore store = Store.Fork();
        using ITokenSelector selector = Reader(store);
        for (int far = 0; far < at; far++)
            selector.Append(1);
        selector.Settle();
        using KvStore forkStore = store.Fork();
        using ITokenSelector fork = Reader().ForkSelector(selector, Context(forkStore))!;
        Assert.NotNull(fork);
        for (int far = at; far < All; far++)
        {
            Assert.Equal(selector.Searched, fork.Searched);
            if (far % 100 == 0)
                AssertSame(selector, fork);
            selector.Append(1);
            fork.Append(1);
        }
        AssertSame(selector, fork);
        // One side is cut back and the other does not see it.
        forkStore.Truncate(200);
        fork.Truncate(150);
        AssertIsFullAttention(fork, forkStore, 150);
        AssertIsFullAttention(selector, store, All);
    }

    [Fact]
    public void AForkWithOtherListsBuildsItsOwn()
    {
        using ITokenSelector selector = Reader(Store);
        selector.Prefill(1200, NoQueries);
        Assert.Null(new IvfPqPolicy { RowsPerList = 16 }.ForkSelector(selector, Context(Store)));
        Assert.Null(new ExactPolicy().ForkSelector(selector, Context(Store)));
        using ITokenSelector other = new IvfPqPolicy { KeysMost = 7 }.ForkSelector(selector, Context(Store))!;
        Assert.Equal(1200, other.Searched);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public void ASelectionIsTheSameForAnyNumberOfThreads(int threads)
    {
        using var workers = new WorkerPool(threads);
        using KvStore one = Store.Fork(), two = Store.Fork();
        using ITokenSelector expected = Small.CreateSelector(Context(one)), actual = Small.CreateSelector(Context(two) with { Workers = workers });
        expected.Prefill(1250, NoQueries);
        actual.Prefill(1250, NoQueries);
        AssertSame(expected, actual);
        Assert.Equal(expected.IndexBytes, actual.IndexBytes);
    }

    /// <summary>What failed in the background shows where it is waited for, and does not keep anyone from letting go.</summary>
    [Fact]
    public void AnAbandonedBuildIsWaitedFor()
    {
        KvStore store = Store.Fork();
        ITokenSelector selector = Reader(store);
        selector.Prefill(1200, NoQueries);
        selector.Dispose();
        store.Dispose();
        Assert.Equal(0, store.Bytes);
    }

    private static IvfPqPolicy Reader(int sinks = Sinks, int window = 8) => new()
    {
        Sinks = sinks,
        Window = window,
        OpenShare = 1,
        OpenMost = int.MaxValue,
        KeyShare = 1,
        KeysMost = int.MaxValue,
        ValueShare = 1,
        ValuesMost = int.MaxValue,
        ListShare = 0,
        RowShare = 0,
    };

    private ITokenSelector Reader(KvStore store) => Reader().CreateSelector(Context(store));

    private LayerContext Context(KvStore store) => new(store, 0, Group, Sinks, _pool, TaskScheduler.Default);

    /// <summary>Appends the rows from a length on as they were.</summary>
    private void Restore(KvStore store, int length)
    {
        fixed (float* keys = Keys)
            store.Append(0, keys + length * KvHeads * Dim, keys + length * KvHeads * Dim, 1300 - length);
    }

    private void AssertSame(ITokenSelector expected, ITokenSelector actual)
    {
        Selection one = Select(expected), two = Select(actual);
        for (int head = 0; head < KvHeads; head++)
        {
            Assert.Equal(one.Estimate(head) is null, two.Estimate(head) is null);
            if (one.Estimate(head) is not { } a || two.Estimate(head) is not { } b)
                continue;
            Assert.Equal(new ReadOnlySpan<float>(a.Output, Group * Dim), new ReadOnlySpan<float>(b.Output, Group * Dim));
            Assert.Equal(new ReadOnlySpan<float>(a.LogSumExp, Group), new ReadOnlySpan<float>(b.LogSumExp, Group));
        }
    }

    /// <summary>The estimate and the rows that it does not speak for are together attention over all far rows, whatever their order.</summary>
    private void AssertIsFullAttention(ITokenSelector selector, KvStore store, int far)
    {
        Selection selection = Select(selector);
        var scratch = new float[AttentionPartial.Floats(Group, Dim)];
        fixed (float* memory = scratch, query = Queries)
        {
            for (int head = 0; head < KvHeads; head++)
            {
                var merged = new AttentionPartial(memory, Group, Dim);
                HostAttention.Attend(store, 0, head, Chosen(selector, selection, head, far), query + head * Group * Dim, merged);
                if (selection.Estimate(head) is { } estimate)
                    merged.Merge(estimate);
                for (int g = 0; g < Group; g++)
                {
                    (double[] output, double logSumExp) = Full(store, head, far, Queries.Slice((head * Group + g) * Dim, Dim));
                    if (far == 0)
                        continue;
                    Assert.Equal(logSumExp, merged.LogSumExp[g], 1e-4);
                    for (int i = 0; i < Dim; i++)
                        Assert.Equal(output[i], merged.Output[g * Dim + i], 1e-4);
                }
            }
        }
    }

    private static (double[] Output, double LogSumExp) Full(KvStore store, int head, int far, ReadOnlySpan<float> query)
    {
        float[] keys = new float[far * Dim + 1], values = new float[far * Dim + 1];
        fixed (float* key = keys, value = values)
        {
            store.ReadKeys(0, head, Sinks, far, key);
            store.ReadValues(0, head, Sinks, far, value);
        }
        var output = new double[Dim];
        double sum = 0;
        for (int row = 0; row < far; row++)
        {
            double logit = 0;
            for (int i = 0; i < Dim; i++)
                logit += (double)query[i] * keys[row * Dim + i];
            sum += Math.Exp(logit);
            for (int i = 0; i < Dim; i++)
                output[i] += Math.Exp(logit) * values[row * Dim + i];
        }
        return ([.. output.Select(x => x / sum)], Math.Log(sum));
    }
}
