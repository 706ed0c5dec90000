using Xunit;

namespace Retrieval.Offload.Tests;

public sealed unsafe class KvLayoutTests
{
    [Theory]
    [InlineData(1, 1, 8)]
    [InlineData(30, 3, 64)]
    [InlineData(5, 2, 80)]
    public void SizesFollowFromTheShape(int layers, int kvHeads, int headDim)
    {
        var layout = new KvLayout(layers, kvHeads, headDim);
        Assert.Equal(2 * headDim, layout.RowBytes);
        Assert.Equal(2L * layers * kvHeads * headDim * 2, layout.TokenBytes);
        Assert.Equal(layout.TokenBytes * KvLayout.RowsPerPage, layers * layout.PageBytes);
    }

    /// <summary>SmolLM2-135M, from the design: 23 KB a token, 23 GB at a million.</summary>
    [Fact]
    public void SmolLm2NeedsTwentyThreeKilobytesAToken() => Assert.Equal(23_040, new KvLayout(30, 3, 64).TokenBytes);

    [Fact]
    public void AMillionTokensOfALargeModelDoNotOverflow()
    {
        var layout = new KvLayout(128, 128, 512);
        Assert.Equal(2L * 128 * 512 * 512 * 2, layout.PageBytes);
        Assert.Equal(2L * 128 * 128 * 512 * 2, layout.TokenBytes);
    }

    [Fact]
    public void AnUnknownFormatHasNoSize()
        => Assert.Throws<ArgumentOutOfRangeException>(() => new KvLayout(1, 1, 8, (RowFormat)99).PackedRowBytes);

    /// <summary>Every row has its own place in a page, rows of a head follow one another, and nothing lies outside.</summary>
    [Theory]
    [InlineData(1, 8)]
    [InlineData(3, 24)]
    [InlineData(2, 128)]
    public void RowsOfAPageTileItExactly(int kvHeads, int headDim)
    {
        var kv = new RandomKv(KvLayout.RowsPerPage + 1, kvHeads, headDim);
        using KvStore store = kv.Store();
        var starts = new SortedSet<long>();
        for (int head = 0; head < kvHeads; head++)
        {
            for (int row = 0; row < KvLayout.RowsPerPage; row++)
            {
                Assert.True(starts.Add((long)store.Key(0, head, row)));
                Assert.True(starts.Add((long)store.Value(0, head, row)));
                if (row > 0)
                {
                    Assert.Equal(headDim, store.Key(0, head, row) - store.Key(0, head, row - 1));
                    Assert.Equal(headDim, store.Value(0, head, row) - store.Value(0, head, row - 1));
                }
            }
        }
        int rowBytes = store.Layout.RowBytes;
        Assert.Equal(store.Layout.PageBytes, starts.Max - starts.Min + rowBytes);
        Assert.Equal(store.Layout.PageBytes / rowBytes, starts.Count);
        Assert.All(starts.Zip(starts.Skip(1)), pair => Assert.Equal(rowBytes, pair.Second - pair.First));
        Assert.DoesNotContain((long)store.Key(0, 0, KvLayout.RowsPerPage), starts);
    }
}
