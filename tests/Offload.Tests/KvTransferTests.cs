using TorchSharp;
using Xunit;

namespace Retrieval.Offload.Tests;

public sealed class KvTransferTests : IDisposable
{
    private readonly NumberedStore _rows = new();
    private readonly KvTransfer _transfer;

    public KvTransferTests() => _transfer = new KvTransfer(_rows.Store.Layout, torch.CPU);

    [Theory]
    [InlineData(0, 0)]
    [InlineData(0, 1)]
    [InlineData(5, 700)]
    [InlineData(0, KvTransfer.BlockRows)]
    [InlineData(3, 4 * KvTransfer.BlockRows + 100)]
    public void RowsArriveInOrder(int first, int end)
    {
        _rows.Append(_transfer, 1, 5000);
        Assert.Equal(5000L * 2 * 2 * 8 * 4, _transfer.Counters.BytesToHost);
        using DisposeScope scope = torch.NewDisposeScope();
        int next = first;
        foreach (DeviceRows block in _transfer.Stage(_rows.Store, 1, first, end))
        {
            Assert.Equal(next, block.First);
            Assert.InRange(block.Count, 1, KvTransfer.BlockRows);
            AssertEqual(NumberedStore.ByHead(NumberedStore.Rows(next, block.Count, NumberedStore.Key)), block.Keys);
            AssertEqual(NumberedStore.ByHead(NumberedStore.Rows(next, block.Count, NumberedStore.Value)), block.Values);
            next += block.Count;
        }
        Assert.Equal(end, next);
        Assert.Equal((end - first) * 2L * 2 * 8 * 2, _transfer.Counters.BytesToDevice);
        Assert.True(_transfer.Counters.SecondsWaited >= 0);
    }

    [Fact]
    public void AnAbandonedEnumerationLeavesNoReaderBehind()
    {
        _rows.Append(_transfer, 0, 5000);
        using DisposeScope scope = torch.NewDisposeScope();
        foreach (DeviceRows block in _transfer.Stage(_rows.Store, 0, 0, 5000))
            break;
        _rows.Store.Truncate(0);
        _rows.Append(_transfer, 0, 100);
        DeviceRows only = Assert.Single(_transfer.Stage(_rows.Store, 0, 0, 100));
        AssertEqual(NumberedStore.ByHead(NumberedStore.Rows(0, 100, NumberedStore.Key)), only.Keys);
    }

    [Fact]
    public void AnErrorWhileGatheringReachesTheCaller()
    {
        _rows.Append(_transfer, 0, 10);
        Assert.ThrowsAny<Exception>(() => _transfer.Stage(_rows.Store, 0, 0, 5000).Count());
    }

    [Fact]
    public void NoTensorsAreLeft()
    {
        _rows.Append(_transfer, 0, 3000);
        long before = DisposeScopeManager.Statistics.ThreadTotalLiveCount;
        using (torch.NewDisposeScope())
        {
            foreach (DeviceRows block in _transfer.Stage(_rows.Store, 0, 0, 3000))
                Assert.Equal(NumberedStore.KvHeads, block.Keys.shape[0]);
        }
        Assert.Equal(before, DisposeScopeManager.Statistics.ThreadTotalLiveCount);
    }

    public void Dispose()
    {
        _transfer.Dispose();
        _rows.Dispose();
    }

    private static void AssertEqual(torch.Tensor expected, torch.Tensor actual) => Assert.True(expected.eq(actual).all().item<bool>());
}
