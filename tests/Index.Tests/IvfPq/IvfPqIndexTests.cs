using System.Runtime.InteropServices;
using Retrieval.TestKit;
using Xunit;

namespace Retrieval.Index.Tests.IvfPq;

public sealed unsafe class IvfPqIndexTests
{
    private static readonly IvfPqOptions Small = new() { SegmentRows = 512, RowsPerList = 32 };

    /// <summary>Below, at and above lists, blocks and segments.</summary>
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(15)]
    [InlineData(16)]
    [InlineData(17)]
    [InlineData(100)]
    [InlineData(511)]
    [InlineData(512)]
    [InlineData(513)]
    [InlineData(1100)]
    [InlineData(2500)]
    public void EveryRowStandsInOneListOfOneSegment(int count)
    {
        foreach (int first in (int[])[0, 64])
        {
            IvfPqIndex index = Build(Heads.Keys(first + count, 16), first);
            AssertCovers(index, first, count, Small.SegmentRows);
        }
    }

    [Fact]
    public void SegmentsAreOfEqualSize()
    {
        IvfPqIndex index = Build(Heads.Keys(1100, 16), 64);
        Assert.Equal(3, index.Segments.Count);
        Assert.All(index.Segments, segment => Assert.InRange(segment.Count, 345, 346));
    }

    [Fact]
    public void RowsThatHaveNoShape()
    {
        const int Dim = 32, Count = 700;
        foreach (float value in (float[])[0, 1, -65504])
            AssertCovers(Build(new MemoryRows([.. Enumerable.Repeat(value, Count * Dim)], Dim)), 0, Count, Small.SegmentRows);
        float[] huge = [.. RandomData.Normal(Count * Dim, 1).Select(x => x > 0 ? 65504f : -65504f)];
        AssertCovers(Build(new MemoryRows(huge, Dim)), 0, Count, Small.SegmentRows);
        float[] few = Heads.Keys(Count, Dim).Values;
        for (int row = 0; row < Count; row++)
            few.AsSpan(row % 3 * Dim, Dim).CopyTo(few.AsSpan(row * Dim));
        AssertCovers(Build(new MemoryRows(few, Dim)), 0, Count, Small.SegmentRows);
    }

    /// <summary>Segments are built in the background and by several threads: nothing may depend on it.</summary>
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(4)]
    public void BuiltByAnyNumberOfThreadsItIsTheSameToTheBit(int threads)
    {
        const int KvHeads = 4;
        MemoryRows[] keys = [.. Enumerable.Range(0, KvHeads).Select(head => Heads.Keys(2000, 64, head))];
        byte[][] expected = [.. keys.Select(rows => Bits(Build(rows, 64)))];
        var built = new byte[KvHeads][];
        Parallel.For(0, KvHeads, new ParallelOptions { MaxDegreeOfParallelism = threads }, head => built[head] = Bits(Build(keys[head], 64)));
        Assert.Equal(expected, built);
        Assert.NotEqual(built[0], built[1]);
    }

    /// <summary>What decode adds later is what building at once would have given, with the same axes and codes.</summary>
    [Fact]
    public void SegmentsAddedLaterAreSegments()
    {
        MemoryRows keys = Heads.Keys(2100, 16), values = Heads.Values(2100, 16);
        var index = IvfPqIndex.Build(keys, values, 10, 1000, Heads.Moments(16), Small);
        IvfPqSegment[] more = index.Encode(keys, values, 1010, 500);
        Assert.Equal(1010, index.End);
        index.Add(more);
        index.Add(index.Encode(keys, values, 1510, 590));
        Assert.Equal(2100, index.End);
        AssertCovers(index, 10, 2090, Small.SegmentRows);
    }

    /// <summary>Copies share the memory of their lists until one of them grows; then neither may see what the other adds.</summary>
    [Fact]
    public void CopiesThatGrowApartKeepTheirLists()
    {
        MemoryRows keys = Heads.Keys(5000, 16), values = Heads.Values(5000, 16);
        IvfPqIndex index = Grown();
        IvfPqIndex copy = index.Copy(), shorter = index.Copy();
        index.Add(index.Encode(keys, values, 4600, 100));
        copy.Add(copy.Encode(keys, values, 4600, 60));
        shorter.Truncate(4400);
        shorter.Add(shorter.Encode(keys, values, 4400, 80));
        Assert.Equal(Bits(Grown((4600, 100))), Bits(index));
        Assert.Equal(Bits(Grown((4600, 60))), Bits(copy));
        AssertCovers(shorter, 0, 4480, Small.SegmentRows);

        // Grown by a piece, so that there is room behind its lists.
        IvfPqIndex Grown(params (int First, int Count)[] more)
        {
            IvfPqIndex grown = IvfPqIndex.Build(keys, values, 0, 4400, Heads.Moments(16), Small);
            foreach ((int first, int count) in ((int, int)[])[(4400, 200), .. more])
                grown.Add(grown.Encode(keys, values, first, count));
            return grown;
        }
    }

    [Theory]
    [InlineData(5000, 1100)]
    [InlineData(1100, 1100)]
    [InlineData(1099, 733)]
    [InlineData(733, 733)]
    [InlineData(400, 366)]
    [InlineData(366, 366)]
    [InlineData(365, 0)]
    [InlineData(0, 0)]
    public void TruncationDropsEverySegmentThatIsCut(int length, int end)
    {
        MemoryRows keys = Heads.Keys(1100, 16);
        IvfPqIndex index = Build(keys), copy = index.Copy();
        long bytes = index.Bytes;
        index.Truncate(length);
        Assert.Equal(end, index.End);
        Assert.Equal(end < 1100, index.Bytes < bytes);
        Assert.Equal((1100, bytes), (copy.End, copy.Bytes));
        // The tail may be built again.
        if (end < 1100)
            index.Add(index.Encode(keys, Heads.Values(1100, 16), end, 1100 - end));
        AssertCovers(index, 0, 1100, Small.SegmentRows);
    }

    [Fact]
    public void ItIsMuchSmallerThanItsRows()
    {
        IvfPqIndex index = IvfPqIndex.Build(Heads.Keys(8192, 64), Heads.Values(8192, 64), 0, 8192, Heads.Moments(64), new IvfPqOptions());
        Assert.InRange(index.Bytes, 8192 * 8, 8192 * 64 * 4 / 10);
    }

    [Theory]
    [InlineData(15, 64, 6, 4)]
    [InlineData(65537, 64, 6, 4)]
    [InlineData(1024, 0, 6, 4)]
    [InlineData(1024, 64, 0, 4)]
    [InlineData(1024, 64, 6, 0)]
    public void OptionsOutOfRangeAreRefused(int segmentRows, int rowsPerList, int iterations, int axesPerCode)
    {
        var options = new IvfPqOptions { SegmentRows = segmentRows, RowsPerList = rowsPerList, Iterations = iterations, AxesPerCode = axesPerCode };
        Assert.Throws<ArgumentOutOfRangeException>(options.Validate);
        Assert.Throws<ArgumentOutOfRangeException>(() => IvfPqIndex.Build(Heads.Keys(100, 16), Heads.Values(100, 16), 0, 100, Heads.Moments(16), options));
    }

    private static IvfPqIndex Build(MemoryRows keys, int first = 0)
        => IvfPqIndex.Build(keys, Heads.Values(keys.Count, keys.Dim), first, keys.Count - first, Heads.Moments(keys.Dim), Small);

    private static void AssertCovers(IvfPqIndex index, int first, int count, int most)
    {
        int next = first;
        foreach (IvfPqSegment segment in index.Segments)
        {
            Assert.Equal(next, segment.First);
            Assert.InRange(segment.Count, 1, most);
            Assert.Equal(Enumerable.Range(0, segment.Count), segment.Order.Select(row => (int)row).Order());
            Assert.Equal((0, segment.Count), (segment.ListStarts[0], segment.ListStarts[^1]));
            Assert.Equal(segment.Lists + 1, segment.ListStarts.Length);
            for (int list = 0; list < segment.Lists; list++)
                Assert.True(segment.ListStarts[list] < segment.ListStarts[list + 1], "an empty list");
            next += segment.Count;
        }
        Assert.Equal((first + count, first + count), (next, index.End));
    }

    /// <summary>Everything that a search could see.</summary>
    private static byte[] Bits(IvfPqIndex index)
    {
        using var bits = new MemoryStream();
        void Write<T>(ReadOnlySpan<T> values) where T : unmanaged => bits.Write(MemoryMarshal.AsBytes(values));
        IvfPqCodec codec = index.Codec;
        foreach (float[] part in (float[][])[codec.KeyTransform, codec.QueryTransform, codec.Variances, codec.CodeNoise, codec.CentreMiddle, codec.CentreScale, .. codec.Quantizer.Codebooks])
            Write<float>(part);
        Write<int>(codec.Quantizer.Starts);
        foreach (IvfPqSegment segment in index.Segments)
        {
            Write<ushort>(segment.Order);
            Write<int>(segment.ListStarts);
            Write<byte>(segment.Codes.Span);
            ListBytes length = ListTable.Bytes(codec.Dim, segment.Panels);
            Write<byte>(segment.Tables.Scores(segment.TableStart, length));
            Write<byte>(segment.Tables.Values(segment.TableStart, length));
        }
        return bits.ToArray();
    }
}
