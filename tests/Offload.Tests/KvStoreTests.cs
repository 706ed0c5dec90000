using Retrieval.Index;
using Retrieval.TestKit;
using Xunit;

namespace Retrieval.Offload.Tests;

public sealed class KvStoreTests
{
    private const int Page = KvLayout.RowsPerPage;

    [Fact]
    public unsafe void WorkersStoreWhatOneThreadDoes()
    {
        const int Rows = 1300;
        using var workers = new WorkerPool(3);
        var kv = new RandomKv(Rows, 2, 16, 1);
        using KvStore expected = kv.Store(), store = new(expected.Layout);
        float[] values = RandomData.Normal(2 * Rows * 2 * 16, 5);
        fixed (float* keys = values)
        {
            expected.Truncate(0);
            expected.Append(0, keys, keys + Rows * 32, Rows);
            store.Append(0, keys, keys + Rows * 32, 100, workers);
            store.Append(0, keys + 100 * 32, keys + (Rows + 100) * 32, Rows - 100, workers);
            Assert.Equal(Rows, store.Length(0));
            for (int row = 0; row < Rows; row++)
            {
                for (int head = 0; head < 2; head++)
                {
                    Assert.Equal(new ReadOnlySpan<ushort>(expected.Key(0, head, row), 16), new ReadOnlySpan<ushort>(store.Key(0, head, row), 16));
                    Assert.Equal(new ReadOnlySpan<ushort>(expected.Value(0, head, row), 16), new ReadOnlySpan<ushort>(store.Value(0, head, row), 16));
                }
            }
        }
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(Page - 1)]
    [InlineData(Page)]
    [InlineData(Page + 1)]
    [InlineData(3 * Page + 17)]
    public void RowsAreReadAsTheyWereAppended(int rows)
    {
        var kv = new RandomKv(rows, 3, 24);
        using KvStore store = kv.Store();
        Assert.Equal(rows, store.Length(0));
        Assert.Equal((rows + Page - 1) / Page * store.Layout.PageBytes, store.Bytes);
        kv.AssertStored(store, 0, 0, rows);
        // Runs that begin and end anywhere, across page borders.
        foreach (int size in (int[])[1, 100, 600, 1100])
        {
            for (int first = 0; first + size <= rows; first += size + 61)
                kv.AssertStored(store, 0, first, first + size);
        }
    }

    [Theory]
    [InlineData(7)]
    [InlineData(300)]
    [InlineData(1200)]
    public void PortionsEqualTheWholeInEveryLayer(int largest)
    {
        const int Rows = 1500;
        RandomKv[] layers = [.. Enumerable.Range(0, 3).Select(layer => new RandomKv(Rows, 2, 16, 10 + layer))];
        using var store = new KvStore(layers[0].Layout(layers: 3));
        for (int layer = 0; layer < 3; layer++)
        {
            int first = 0;
            foreach (int size in RandomData.Portions(Rows, largest, layer))
            {
                layers[layer].Append(store, layer, first, size);
                first += size;
            }
            layers[layer].Append(store, layer, first, 0);
        }
        for (int layer = 0; layer < 3; layer++)
        {
            Assert.Equal(Rows, store.Length(layer));
            layers[layer].AssertStored(store, layer, 0, Rows);
        }
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(Page - 1)]
    [InlineData(Page)]
    [InlineData(Page + 100)]
    [InlineData(2 * Page)]
    public void TruncatedRowsCanBeReplaced(int length)
    {
        RandomKv before = new(1300, 2, 16, 1), after = new(1300, 2, 16, 2);
        using KvStore store = before.Store();
        store.Truncate(length);
        Assert.Equal(length, store.Length(0));
        Assert.Equal((length + Page - 1) / Page * store.Layout.PageBytes, store.Bytes);
        after.Append(store, 0, length, 1300 - length);
        before.AssertStored(store, 0, 0, length);
        after.AssertStored(store, 0, length, 1300);
    }

    [Fact]
    public void TruncationBeyondTheEndDoesNothing()
    {
        var kv = new RandomKv(700, 1, 8);
        using KvStore store = kv.Store();
        long bytes = store.Bytes;
        store.Truncate(700);
        store.Truncate(5000);
        Assert.Equal((700, bytes), (store.Length(0), store.Bytes));
        Assert.Throws<ArgumentOutOfRangeException>(() => store.Truncate(-1));
    }

    /// <summary>An interrupted prefill leaves layers of different lengths.</summary>
    [Fact]
    public void TruncationBringsLayersToOneLength()
    {
        var kv = new RandomKv(1200, 1, 8);
        using var store = new KvStore(kv.Layout(layers: 3));
        kv.Append(store, 0, 0, 1200);
        kv.Append(store, 1, 0, 600);
        kv.Append(store, 2, 0, 500);
        store.Truncate(500);
        Assert.Equal((500, 500, 500), (store.Length(0), store.Length(1), store.Length(2)));
        Assert.Equal(3 * store.Layout.PageBytes, store.Bytes);
        kv.Append(store, 2, 500, 700);
        kv.AssertStored(store, 2, 0, 1200);
    }

    /// <summary>Whoever writes first, the other side keeps its rows; the shared last page is copied, full pages are not touched.</summary>
    [Theory]
    [InlineData(Page + 100, true)]
    [InlineData(Page + 100, false)]
    [InlineData(2 * Page, true)]
    [InlineData(2 * Page, false)]
    [InlineData(1, true)]
    [InlineData(0, false)]
    public void ForksDoNotSeeEachOther(int length, bool forkFirst)
    {
        RandomKv common = new(length, 2, 16, 1), mine = new(length + 900, 2, 16, 2), theirs = new(length + 700, 2, 16, 3);
        using KvStore store = common.Store();
        using KvStore fork = store.Fork();
        Assert.Equal(store.Bytes, fork.Bytes);
        if (forkFirst)
            theirs.Append(fork, 0, length, 700);
        mine.Append(store, 0, length, 900);
        if (!forkFirst)
            theirs.Append(fork, 0, length, 700);
        common.AssertStored(store, 0, 0, length);
        common.AssertStored(fork, 0, 0, length);
        mine.AssertStored(store, 0, length, length + 900);
        theirs.AssertStored(fork, 0, length, length + 700);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void AForkMayBeCutBackAndGoAnotherWay(bool truncateFork)
    {
        RandomKv common = new(1300, 2, 16, 1), other = new(1300, 2, 16, 2);
        using KvStore store = common.Store();
        using KvStore fork = store.Fork();
        // The cut lies inside a shared page: rows after it must stay for the other side.
        (KvStore cut, KvStore kept) = truncateFork ? (fork, store) : (store, fork);
        cut.Truncate(700);
        other.Append(cut, 0, 700, 600);
        common.AssertStored(kept, 0, 0, 1300);
        common.AssertStored(cut, 0, 0, 700);
        other.AssertStored(cut, 0, 700, 1300);
    }

    [Fact]
    public unsafe void FullPagesOfForksAreOneMemory()
    {
        var kv = new RandomKv(Page + 10, 1, 8);
        using KvStore store = kv.Store();
        using KvStore fork = store.Fork();
        Assert.True(store.Key(0, 0, 0) == fork.Key(0, 0, 0) && store.Key(0, 0, Page) == fork.Key(0, 0, Page));
        kv.Append(fork, 0, 0, 1);
        Assert.True(store.Key(0, 0, 0) == fork.Key(0, 0, 0));
        Assert.True(store.Key(0, 0, Page) != fork.Key(0, 0, Page));
        // Now it is alone with its page and need not copy again.
        ushort* own = fork.Key(0, 0, Page);
        kv.Append(fork, 0, 0, 1);
        Assert.True(own == fork.Key(0, 0, Page));
    }

    [Fact]
    public void AChainOfForksOutlivesItsRoot()
    {
        RandomKv common = new(600, 1, 8, 1), last = new(700, 1, 8, 2);
        KvStore store = common.Store();
        KvStore child = store.Fork();
        using KvStore grandchild = child.Fork();
        store.Dispose();
        last.Append(grandchild, 0, 600, 100);
        common.AssertStored(child, 0, 0, 600);
        child.Dispose();
        common.AssertStored(grandchild, 0, 0, 600);
        last.AssertStored(grandchild, 0, 600, 700);
    }

    [Theory]
    [InlineData(0, 0)]
    [InlineData(Page - 1, 0)]
    [InlineData(Page, Page)]
    [InlineData(2 * Page + 5, 2 * Page)]
    [InlineData(-100, 0)]
    public void ReleasedPagesAreGivenBack(int before, int firstRow)
    {
        var kv = new RandomKv(2000, 2, 16);
        using var store = new KvStore(kv.Layout(layers: 2));
        kv.Append(store, 0, 0, 1500);
        kv.Append(store, 1, 0, 1500);
        store.ReleaseBefore(1, before);
        store.ReleaseBefore(1, before);
        Assert.Equal((0, firstRow), (store.FirstRow(0), store.FirstRow(1)));
        Assert.Equal(1500, store.Length(1));
        Assert.Equal((6 - firstRow / Page) * store.Layout.PageBytes, store.Bytes);
        kv.Append(store, 1, 1500, 500);
        kv.AssertStored(store, 0, 0, 1500);
        kv.AssertStored(store, 1, firstRow, 2000);
        using KvStore fork = store.Fork();
        Assert.Equal((firstRow, store.Bytes), (fork.FirstRow(1), fork.Bytes));
        kv.AssertStored(fork, 1, firstRow, 2000);
    }

    /// <summary>The page that the next row goes to is kept, even if everything before is released.</summary>
    [Fact]
    public void ReleasingPastTheEndKeepsThePageInUse()
    {
        var kv = new RandomKv(2000, 1, 8);
        using var store = new KvStore(kv.Layout());
        kv.Append(store, 0, 0, 600);
        store.ReleaseBefore(0, 5000);
        Assert.Equal(Page, store.FirstRow(0));
        kv.Append(store, 0, 600, 1400);
        kv.AssertStored(store, 0, Page, 2000);
    }

    [Fact]
    public void ReleasedRowsCannotBecomeTheEndAgain()
    {
        var kv = new RandomKv(2000, 1, 8);
        using KvStore store = kv.Store();
        store.ReleaseBefore(0, 2 * Page);
        long bytes = store.Bytes;
        Assert.Throws<ArgumentOutOfRangeException>(() => store.Truncate(Page + 1));
        Assert.Equal((2000, bytes), (store.Length(0), store.Bytes));

        store.Truncate(2 * Page);
        kv.Append(store, 0, 2 * Page, 10);
        kv.AssertStored(store, 0, 2 * Page, 2 * Page + 10);
    }

    [Fact]
    public void AnEmptiedStoreBeginsAnew()
    {
        var kv = new RandomKv(2000, 1, 8);
        using KvStore store = kv.Store();
        store.ReleaseBefore(0, 2 * Page);
        store.Truncate(0);
        Assert.Equal((0, 0, 0L), (store.Length(0), store.FirstRow(0), store.Bytes));
        kv.Append(store, 0, 0, 700);
        kv.AssertStored(store, 0, 0, 700);
    }

    [Fact]
    public void DisposedTwiceHoldsNothing()
    {
        var kv = new RandomKv(1300, 2, 16);
        KvStore store = kv.Store();
        KvStore fork = store.Fork();
        store.ReleaseBefore(0, Page);
        store.Dispose();
        store.Dispose();
        Assert.Equal((0L, 0), (store.Bytes, store.Length(0)));
        kv.AssertStored(fork, 0, 0, 1300);
        fork.Dispose();
        fork.Dispose();
        Assert.Equal(0, fork.Bytes);
    }

    [Fact]
    public unsafe void NumbersTooLargeForARowStayFinite()
    {
        using var store = new KvStore(new KvLayout(1, 1, 16));
        float[] row = [1e9f, -1e9f, float.PositiveInfinity, float.NegativeInfinity, .. new float[12]];
        fixed (float* data = row)
            store.Append(0, data, data, 1);
        var read = new float[16];
        fixed (float* data = read)
            store.ReadKeys(0, 0, 0, 1, data);
        Assert.Equal([65504, -65504, 65504, -65504, .. new float[12]], read);
    }

    /// <summary>In a generation no two layers begin a page in the same step, and none more than one page too many; a rewind takes it back.</summary>
    [Fact]
    public unsafe void LayersBeginPagesInDifferentSteps()
    {
        const int Layers = 5, Rows = 2 * KvLayout.RowsPerPage;
        var kv = new RandomKv(Rows, 1, 8);
        using var store = new KvStore(kv.Layout(Layers));
        for (int layer = 0; layer < Layers; layer++)
            kv.Append(store, layer, 0, 300);
        long page = store.Layout.PageBytes, before = store.Bytes;
        Assert.Equal(Layers * page, before);
        var steps = new List<int>();
        for (int row = 300; row < 700; row++)
        {
            for (int layer = 0; layer < Layers; layer++)
                kv.Append(store, layer, row, 1);
            Assert.True(store.Bytes - before <= page, $"row {row}");
            if (store.Bytes > before)
                steps.Add(row);
            before = store.Bytes;
        }
        Assert.Equal(Layers, steps.Count);
        Assert.InRange(steps[^1], 300, KvLayout.RowsPerPage - 1);
        for (int layer = 0; layer < Layers; layer++)
            kv.AssertStored(store, layer, 0, 700);

        store.Truncate(KvLayout.RowsPerPage);
        Assert.Equal(Layers * page, store.Bytes);
        for (int layer = 0; layer < Layers; layer++)
            kv.Append(store, layer, KvLayout.RowsPerPage, 400);
        Assert.Equal(2 * Layers * page, store.Bytes);
    }
}
