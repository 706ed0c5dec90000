using TorchSharp;
using Xunit;

namespace Retrieval.Offload.Tests;

public sealed class DeviceWindowTests : IDisposable
{
    private readonly NumberedStore _rows = new();
    private readonly KvTransfer _transfer;

    public DeviceWindowTests() => _transfer = new KvTransfer(_rows.Store.Layout, torch.CPU);

    [Theory]
    [InlineData(4, 7, 1)]
    [InlineData(4, 7, 3)]
    [InlineData(4, 7, 10)]
    [InlineData(4, 7, 40)]
    [InlineData(0, 1, 1)]
    [InlineData(0, 16, 5)]
    [InlineData(3, int.MaxValue, 9)]
    public void HoldsSinksAndTheMostRecentRows(int sinks, int recent, int portion)
    {
        using var window = new DeviceWindow(_rows.Store.Layout, torch.CPU, sinks, recent);
        for (int length = 0; length < 100; length += portion)
        {
            Append(window, portion);
            AssertHolds(window, sinks, recent);
        }
        Assert.True(recent == int.MaxValue || window.Bytes == 2L * 2 * (sinks + recent) * 8 * 2);
    }

    [Theory]
    [InlineData(90)]
    [InlineData(60)]
    [InlineData(35)]
    [InlineData(5)]
    [InlineData(2)]
    [InlineData(0)]
    public void ARewindReadsLostRowsFromTheStore(int length)
    {
        using var window = new DeviceWindow(_rows.Store.Layout, torch.CPU, 4, 30);
        Append(window, 100);
        Rewind(window, length);
        AssertHolds(window, 4, 30);
        for (int i = 0; i < 40; i++)
            Append(window, 1);
        AssertHolds(window, 4, 30);
        Rewind(window, length + 33);
        Rewind(window, length + 20);
        Append(window, 3);
        AssertHolds(window, 4, 30);
    }

    [Fact]
    public void ARewindReadsNoMoreThanWasLost()
    {
        using var window = new DeviceWindow(_rows.Store.Layout, torch.CPU, 4, 30);
        Append(window, 100);
        Rewind(window, 95);
        Assert.Equal(5 * 2L * 2 * 8 * 2, _transfer.Counters.BytesToDevice);
        Refill(window);
        Assert.Equal(5 * 2L * 2 * 8 * 2, _transfer.Counters.BytesToDevice);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(3)]
    [InlineData(20)]
    [InlineData(2000)]
    public void AnEmptyWindowIsFilledFromTheStore(int length)
    {
        _rows.Append(_transfer, 0, length);
        using var window = new DeviceWindow(_rows.Store.Layout, torch.CPU, 4, 30);
        Refill(window);
        Assert.Equal(length, window.Length);
        Append(window, 1);
        AssertHolds(window, 4, 30);
    }

    [Fact]
    public void RowsThatWereNotRefilledAreNotHandedOut()
    {
        using var window = new DeviceWindow(_rows.Store.Layout, torch.CPU, 4, 30);
        Append(window, 100);
        window.Truncate(95);
        Assert.Contains("65 to 70", Assert.Throws<InvalidOperationException>(() => window.Keys()).Message);
    }

    public void Dispose()
    {
        _transfer.Dispose();
        _rows.Dispose();
    }

    private void Append(DeviceWindow window, int count)
    {
        using DisposeScope scope = torch.NewDisposeScope();
        int first = _rows.Store.Length(0);
        _rows.Append(_transfer, 0, count);
        window.Append(
            NumberedStore.ByHead(NumberedStore.Rows(first, count, NumberedStore.Key)),
            NumberedStore.ByHead(NumberedStore.Rows(first, count, NumberedStore.Value)), count);
    }

    private void Rewind(DeviceWindow window, int length)
    {
        _rows.Store.Truncate(length);
        window.Truncate(length);
        Refill(window);
    }

    private void Refill(DeviceWindow window)
    {
        using DisposeScope scope = torch.NewDisposeScope();
        window.Refill(_rows.Store, 0, _rows.Store.Length(0), _transfer);
    }

    private void AssertHolds(DeviceWindow window, int sinks, int recent)
    {
        using DisposeScope scope = torch.NewDisposeScope();
        int length = _rows.Store.Length(0);
        int[] expected = [.. Enumerable.Range(0, length).Where(row => row < sinks || row >= (long)length - recent)];
        Assert.Equal(length, window.Length);
        Assert.Equal(expected.Length, window.Count);
        if (length == 0)
            return;
        for (int head = 0; head < NumberedStore.KvHeads; head++)
        {
            Assert.Equal([.. expected.Select(row => NumberedStore.Key(row, head, 1)).Order()], Elements(window.Keys(), head).Order());
            Assert.Equal([.. Elements(window.Keys(), head).Select(key => -key)], Elements(window.Values(), head));
        }
    }

    private static float[] Elements(torch.Tensor rows, int head)
        => rows[head].select(1, 1).to(torch.ScalarType.Float32).contiguous().data<float>().ToArray();
}
