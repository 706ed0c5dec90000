using Retrieval.Index;
using Retrieval.TestKit;
using Xunit;

namespace Retrieval.Offload.Tests;

/// <summary>Rows of a store that lie packed in segments, each KV head in an order of its own.</summary>
public sealed unsafe class KvStoreSegmentTests
{
    private const int Page = KvLayout.RowsPerPage;
    private const int KvHeads = 3;
    private const int Dim = 24;

    public static TheoryData<RowFormat, int, int> Packs
    {
        get
        {
            var data = new TheoryData<RowFormat, int, int>();
            foreach (RowFormat format in (RowFormat[])[RowFormat.F16, RowFormat.I8])
            {
                foreach ((int first, int count) in ((int, int)[])[(0, 1), (64, 1000), (0, Page), (Page, Page), (17, Page), (100, 1900), (0, 2000)])
                    data.Add(format, first, count);
            }
            return data;
        }
    }

    /// <summary>Every row comes back under its place, one by one and in runs that cross both ends of the segment.</summary>
    [Theory]
    [MemberData(nameof(Packs))]
    public void PackedRowsComeBackInTheOrderOfTheirHead(RowFormat format, int first, int count)
    {
        var kv = new Packed(2000, format);
        using KvStore store = kv.Store;
        kv.Pack(first, count);
        KvSegment segment = Assert.Single(store.Segments(0));
        Assert.Equal((first, count, first + count), (segment.First, segment.Count, segment.End));
        Assert.Equal(2000, store.Length(0));
        kv.AssertRows(store, 0, 2000);
        foreach (int size in (int[])[1, 33, 700])
        {
            for (int row = 0; row + size <= 2000; row += size + 211)
                kv.AssertRows(store, row, row + size);
        }
        for (int head = 0; head < KvHeads; head++)
        {
            int[] positions = [.. Enumerable.Range(0, 2000).Select(row => store.Position(0, head, row))];
            Assert.Equal(Enumerable.Range(0, 2000), positions.Order());
            for (int row = 0; row < 2000; row++)
                Assert.Equal(row < first || row >= first + count ? row : first + segment.Order(head)[row - first], positions[row]);
        }
    }

    /// <summary>What an index reads of a segment is what the store reads.</summary>
    [Theory]
    [InlineData(RowFormat.F16)]
    [InlineData(RowFormat.I8)]
    public void ASegmentsRowsAreTheStoresRows(RowFormat format)
    {
        var kv = new Packed(1200, format);
        using KvStore store = kv.Store;
        kv.Pack(64, 1000);
        KvSegment segment = store.Segments(0)[0];
        float[] expected = new float[Dim], key = new float[Dim], value = new float[Dim];
        fixed (float* row = expected, keyRow = key, valueRow = value)
        {
            for (int head = 0; head < KvHeads; head++)
            {
                Assert.Equal(store.Layout.PackedRowBytes, segment.Rows(head).RowBytes);
                for (int place = 0; place < 1000; place += 7)
                {
                    segment.Rows(head).ReadKey(place, keyRow);
                    segment.Rows(head).ReadValue(place, valueRow);
                    new KvKeyRows(store, 0, head).Read(64 + place, 1, row);
                    Assert.Equal(expected, key);
                    new KvValueRows(store, 0, head).Read(64 + place, 1, row);
                    Assert.Equal(expected, value);
                }
            }
        }
        Assert.Equal(Dim, new KvValueRows(store, 0, 0).Dim);
    }

    [Fact]
    public void SegmentsFollowOneAnotherAndRowsAreAppendedAfterThem()
    {
        var kv = new Packed(3000, RowFormat.I8, appended: 2000);
        using KvStore store = kv.Store;
        foreach ((int first, int count) in ((int, int)[])[(64, 700), (764, 1), (765, 235), (1200, 800)])
        {
            kv.Pack(first, count);
            kv.AssertRows(store, 0, 2000);
        }
        kv.Append(1000);
        kv.Pack(2000, 900);
        Assert.Equal([64, 764, 765, 1200, 2000], store.Segments(0).Select(segment => segment.First));
        kv.AssertRows(store, 0, 3000);
    }

    /// <summary>8-bit rows take about half; pages go when all their rows are packed.</summary>
    [Theory]
    [InlineData(RowFormat.F16)]
    [InlineData(RowFormat.I8)]
    public void BytesAreThoseOfSegmentsAndOfPagesThatStillHoldRows(RowFormat format)
    {
        var kv = new Packed(4 * Page, format);
        using KvStore store = kv.Store;
        long page = store.Layout.PageBytes;
        Assert.Equal(4 * page, store.Bytes);
        kv.Pack(64, Page);
        KvSegment one = store.Segments(0)[0];
        long rows = 2L * KvHeads * Page * store.Layout.PackedRowBytes;
        Assert.InRange(one.Bytes, rows, rows + 2 * KvHeads * 64);
        Assert.Equal(4 * page + one.Bytes, store.Bytes);
        kv.Pack(64 + Page, Page);
        // Page 1 lies in two segments; page 0 holds the first 64 rows, page 2 its last ones.
        Assert.Equal(3 * page + store.Segments(0).Sum(segment => segment.Bytes), store.Bytes);
        kv.Pack(64 + 2 * Page, 2 * Page - 64);
        Assert.Equal(page + store.Segments(0).Sum(segment => segment.Bytes), store.Bytes);
        kv.AssertRows(store, 0, 4 * Page);
        store.Truncate(0);
        Assert.Equal((0L, 0), (store.Bytes, store.Segments(0).Count));
    }

    [Fact]
    public void RowsThatAreNotThereAreRefused()
    {
        var kv = new Packed(2000, RowFormat.I8);
        using KvStore store = kv.Store;
        kv.Pack(Page, 500);
        store.ReleaseBefore(0, Page);
        long bytes = store.Bytes;
        foreach ((int first, int count) in ((int, int)[])[(1012, 0), (1012, -1), (0, 10), (Page - 1, 1), (900, 200), (1011, 5), (1900, 101), (2000, 1), (1500, int.MaxValue)])
        {
            ushort[][] orders = [.. Enumerable.Range(0, KvHeads).Select(_ => Enumerable.Range(0, Math.Clamp(count, 0, 300)).Select(i => (ushort)i).ToArray())];
            string message = Assert.Throws<ArgumentException>(() => store.Pack(0, first, count, orders)).Message;
            Assert.Contains("2000 rows", message);
        }
        Assert.Equal((1, bytes), (store.Segments(0).Count, store.Bytes));
        kv.AssertRows(store, Page, 2000);
    }

    [Fact]
    public void OrdersThatAreNotPermutationsAreRefused()
    {
        var kv = new Packed(100, RowFormat.I8);
        using KvStore store = kv.Store;
        ushort[] good = [0, 2, 1, 3];
        foreach (ushort[] bad in (ushort[][])[[0, 1, 2], [0, 1, 2, 3, 4], [0, 1, 1, 3], [0, 1, 2, 4], [0, 1, 2, 65535], []])
        {
            for (int head = 0; head < KvHeads; head++)
            {
                ushort[][] orders = [good, good, good];
                orders[head] = bad;
                Assert.Contains($"head {head}", Assert.Throws<ArgumentException>(() => store.Pack(0, 10, 4, orders)).Message);
            }
        }
        Assert.Throws<ArgumentException>(() => store.Pack(0, 10, 4, [good, good]));
        Assert.Throws<ArgumentException>(() => store.Pack(0, 10, 4, [good, good, good, good]));
        Assert.Empty(store.Segments(0));
        kv.AssertRows(store, 0, 100);
        store.Pack(0, 10, 4, [good, good, good]);
    }

    /// <summary>A segment that is cut returns its rows to pages in the order of their arrival; others stay.</summary>
    [Theory]
    [InlineData(RowFormat.F16, 1600)]
    [InlineData(RowFormat.F16, 1599)]
    [InlineData(RowFormat.F16, 1100)]
    [InlineData(RowFormat.F16, 800)]
    [InlineData(RowFormat.F16, 799)]
    [InlineData(RowFormat.F16, 65)]
    [InlineData(RowFormat.F16, 64)]
    [InlineData(RowFormat.F16, 30)]
    [InlineData(RowFormat.F16, 0)]
    [InlineData(RowFormat.I8, 1700)]
    [InlineData(RowFormat.I8, 1024)]
    [InlineData(RowFormat.I8, 500)]
    public void TruncationThroughSegments(RowFormat format, int length)
    {
        var kv = new Packed(1800, format);
        using KvStore store = kv.Store;
        kv.Pack(64, 736);
        kv.Pack(800, 800);
        store.Truncate(length);
        Assert.Equal(length, store.Length(0));
        Assert.All(store.Segments(0), segment => Assert.True(segment.End <= length));
        Assert.Equal((length >= 800 ? 1 : 0) + (length >= 1600 ? 1 : 0), store.Segments(0).Count);
        kv.AssertRows(store, 0, length);
        int cut = store.Segments(0).Count == 0 ? Math.Min(64, length) : store.Segments(0)[^1].End;
        for (int row = cut; row < length; row++)
            Assert.Equal(row, store.Position(0, 1, row));
        // Pages for what is not packed, and no more.
        long segments = store.Segments(0).Sum(segment => segment.Bytes);
        int pages = Enumerable.Range(0, 4).Count(page => Enumerable.Range(page * Page, Page).Any(row => row < length && (row < 64 || row >= cut)));
        Assert.InRange(store.Bytes - segments, pages * store.Layout.PageBytes, (pages + 1) * store.Layout.PageBytes);

        kv.AppendedTo(length);
        kv.Append(1800 - length);
        kv.AssertRows(store, 0, 1800);
        if (length is > 64 and < 800)
            kv.Pack(64, 1000);
        kv.AssertRows(store, 0, 1800);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void ForksShareSegmentsAndGoTheirOwnWay(bool truncateFork)
    {
        var kv = new Packed(1500, RowFormat.I8);
        KvStore store = kv.Store;
        kv.Pack(64, 1000);
        KvStore fork = store.Fork();
        Assert.Equal(store.Bytes, fork.Bytes);
        Assert.Same(store.Segments(0)[0], fork.Segments(0)[0]);
        kv.AssertRows(fork, 0, 1500);

        (KvStore cut, KvStore kept) = truncateFork ? (fork, store) : (store, fork);
        cut.Truncate(700);
        Assert.Empty(cut.Segments(0));
        kv.AssertRows(kept, 0, 1500);
        kv.AssertRows(cut, 0, 700);
        cut.Dispose();
        cut.Dispose();
        kv.AssertRows(kept, 0, 1500);
        Assert.True(kept.Bytes > 0 && cut.Bytes == 0);
        kept.Dispose();
        Assert.Equal(0, kept.Bytes);
    }

    [Fact]
    public void WhatOneSidePacksTheOtherKeepsInPages()
    {
        var kv = new Packed(1500, RowFormat.F16);
        using KvStore store = kv.Store;
        using KvStore fork = store.Fork();
        kv.Pack(0, 1024);
        Assert.Empty(fork.Segments(0));
        Assert.Equal(3 * store.Layout.PageBytes, fork.Bytes);
        kv.AssertRows(store, 0, 1500);
        for (int head = 0; head < KvHeads; head++)
            Assert.Equal(700, fork.Position(0, head, 700));
        kv.AssertRows(fork, 0, 1500);
    }

    /// <summary>No row is forgotten; those of segments that end beyond a row stand in the order of their arrival again.</summary>
    [Theory]
    [InlineData(RowFormat.F16, 1600, 1600)]
    [InlineData(RowFormat.F16, 1599, 800)]
    [InlineData(RowFormat.F16, 799, 64)]
    [InlineData(RowFormat.I8, 1000, 800)]
    [InlineData(RowFormat.I8, 0, 64)]
    public void UnpackedRowsStandInTheOrderOfTheirArrival(RowFormat format, int end, int packedEnd)
    {
        var kv = new Packed(1800, format);
        using KvStore store = kv.Store;
        kv.Pack(64, 736);
        kv.Pack(800, 800);
        using KvStore fork = store.Fork();
        store.Unpack(0, end);
        Assert.Equal(1800, store.Length(0));
        Assert.Equal(packedEnd, store.Segments(0).Count == 0 ? 64 : store.Segments(0)[^1].End);
        for (int row = packedEnd; row < 1800; row++)
            Assert.Equal(row, store.Position(0, 2, row));
        kv.AssertRows(store, 0, 1800);
        kv.AssertRows(fork, 0, 1800);
        Assert.Equal(2, fork.Segments(0).Count);
        if (packedEnd < 1600)
            kv.Pack(packedEnd, 1700 - packedEnd);
        kv.AssertRows(store, 0, 1800);
    }

    /// <summary>Pages before a row are given back; a segment is not a page.</summary>
    [Fact]
    public void ReleasingPagesLeavesSegments()
    {
        var kv = new Packed(2000, RowFormat.I8);
        using KvStore store = kv.Store;
        kv.Pack(Page, Page);
        long segment = store.Segments(0)[0].Bytes;
        store.ReleaseBefore(0, 3 * Page);
        Assert.Equal((3 * Page, segment + store.Layout.PageBytes), (store.FirstRow(0), store.Bytes));
        kv.AssertRows(store, 3 * Page, 2000);
    }

    [Fact]
    public void LayersArePackedApart()
    {
        RandomKv kv = new(600, 2, 16, 1);
        using var store = new KvStore(kv.Layout(layers: 2));
        kv.Append(store, 0, 0, 600);
        kv.Append(store, 1, 0, 600);
        ushort[] reversed = [.. Enumerable.Range(0, 600).Reverse().Select(i => (ushort)i)];
        store.Pack(1, 0, 600, [reversed, reversed]);
        kv.AssertStored(store, 0, 0, 600);
        Assert.Equal((5, 594), (store.Position(0, 0, 5), store.Position(1, 0, 5)));
    }

    /// <summary>A store of random rows, and what its rows must be wherever they lie.</summary>
    private sealed class Packed
    {
        private readonly RandomKv _kv;
        private readonly RowFormat _format;
        private int _appended;

        public Packed(int rows, RowFormat format, int? appended = null)
        {
            _kv = new RandomKv(rows, KvHeads, Dim);
            _format = format;
            Store = new KvStore(_kv.Layout() with { Format = format });
            Append(appended ?? rows);
        }

        public KvStore Store { get; }

        public void AppendedTo(int length) => _appended = length;

        public void Append(int rows)
        {
            _kv.Append(Store, 0, _appended, rows);
            _appended += rows;
        }

        /// <summary>Packs rows in a random order for each head.</summary>
        public void Pack(int first, int count)
        {
            var random = new Random(first + count);
            ushort[][] orders = [.. Enumerable.Range(0, KvHeads).Select(_ =>
            {
                ushort[] order = [.. Enumerable.Range(0, count).Select(i => (ushort)i)];
                random.Shuffle(order);
                return order;
            })];
            Store.Pack(0, first, count, orders);
        }

        /// <summary>Rows [first, end) are those of their positions: exactly in 16 bits, to half a step in 8.</summary>
        public void AssertRows(KvStore store, int first, int end)
        {
            using var read = new GuardedMemory<float>((end - first) * Dim);
            for (int head = 0; head < KvHeads; head++)
            {
                store.ReadKeys(0, head, first, end - first, read.Pointer);
                AssertRows(store, _kv.Keys, head, first, end, read.Span);
                store.ReadValues(0, head, first, end - first, read.Pointer);
                AssertRows(store, _kv.Values, head, first, end, read.Span);
            }
        }

        private void AssertRows(KvStore store, float[] expected, int head, int first, int end, ReadOnlySpan<float> actual)
        {
            for (int row = first; row < end; row++)
            {
                ReadOnlySpan<float> wanted = expected.AsSpan((store.Position(0, head, row) * KvHeads + head) * Dim, Dim);
                float step = 0;
                foreach (float x in wanted)
                    step = Math.Max(step, Math.Abs(x) / 127);
                for (int i = 0; i < Dim; i++)
                {
                    float error = Math.Abs(wanted[i] - actual[(row - first) * Dim + i]);
                    // Half a step, the scale rounded up to a half; and what returned to a 16-bit page is rounded once more.
                    if (!(error <= (_format == RowFormat.F16 ? 0 : step * 0.502f + Math.Abs(wanted[i]) / 1000)))
                        Assert.Fail($"Row {row} of head {head} is not that of position {store.Position(0, head, row)}: error {error}.");
                }
            }
        }
    }
}
