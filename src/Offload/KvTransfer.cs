using System.Diagnostics;
using Retrieval.Index.Kernels;
using TorchSharp;

namespace Retrieval.Offload;

/// <summary>
/// Moves rows between a <see cref="KvStore"/> and a device. Towards the device rows travel in blocks of 16-bit floats through two
/// staging buffers: a pool thread gathers the next block from the store while the device computes with the last one. It touches
/// host memory only; every libtorch call happens on the caller's thread.
/// </summary>
/// <remarks>
/// On CUDA a copy runs on the one stream that TorchSharp knows, behind the computation queued before it, and the caller waits for
/// it: that wait is what makes a staging buffer free again, since there are no events to ask. So gathering overlaps computation
/// but copying does not; a second stream through the driver's own API would be needed for that.
/// </remarks>
public sealed unsafe class KvTransfer : IDisposable
{
    /// <summary>Most rows of a block.</summary>
    public const int BlockRows = 1024;

    private const int TileRows = 64;

    private readonly KvLayout _layout;
    private readonly torch.Device _device;
    private readonly HostTensor[] _staging;
    private readonly torch.Tensor _block;
    private HostTensor? _download;
    private long _bytesToDevice;
    private long _bytesToHost;
    private long _ticksWaited;

    public KvTransfer(KvLayout layout, torch.Device device)
    {
        _layout = layout;
        _device = device;
        long elements = 2L * layout.KvHeads * BlockRows * layout.HeadDim;
        _staging = [new HostTensor(elements, torch.ScalarType.Float16, device), new HostTensor(elements, torch.ScalarType.Float16, device)];
        _block = torch.empty(elements, torch.ScalarType.Float16, device).DetachFromDisposeScope();
        DeviceBytes = elements * sizeof(ushort);
    }

    /// <summary>Bytes of the buffer on the device.</summary>
    public long DeviceBytes { get; }

    /// <summary>What was moved since the beginning.</summary>
    public KvTransferCounters Counters => new(_bytesToDevice, _bytesToHost, _ticksWaited / (double)Stopwatch.Frequency);

    /// <summary>Appends new rows, computed on the device, to a layer of the store.</summary>
    /// <param name="keys">[tokens, kvHeads * headDim], float32, after RoPE.</param>
    /// <param name="values">Like <paramref name="keys"/>.</param>
    public void Append(KvStore store, int layer, torch.Tensor keys, torch.Tensor values, int tokens)
    {
        long elements = (long)tokens * _layout.KvHeads * _layout.HeadDim;
        if (_download is null || _download.Elements < 2 * elements)
        {
            _download?.Dispose();
            _download = new HostTensor(2 * elements, torch.ScalarType.Float32, _device);
        }
        using (torch.NewDisposeScope())
        {
            _download.Tensor.narrow(0, 0, elements).copy_(keys.reshape(-1));
            _download.Tensor.narrow(0, elements, elements).copy_(values.reshape(-1));
        }
        _bytesToHost += 2 * elements * sizeof(float);
        store.Append(layer, (float*)_download.Data, (float*)_download.Data + elements, tokens);
    }

    /// <summary>
    /// Brings rows [first, end) of a layer to the device, block after block. Nothing may be appended to the store until the
    /// enumeration has ended, and a second one must not begin before.
    /// </summary>
    public IEnumerable<DeviceRows> Stage(KvStore store, int layer, int first, int end)
    {
        var gathering = new Task?[2];
        try
        {
            for (int i = 0; i < gathering.Length; i++)
                gathering[i] = Gather(store, layer, first + i * BlockRows, end, _staging[i]);
            for (int row = first, turn = 0; row < end; row += BlockRows, turn ^= 1)
            {
                Wait(gathering[turn]!);
                int count = Math.Min(BlockRows, end - row);
                DeviceRows block = Copy(_staging[turn], row, count);
                gathering[turn] = Gather(store, layer, row + 2 * BlockRows, end, _staging[turn]);
                yield return block;
            }
        }
        finally
        {
            // A caller that stops early must not leave a reader of the store behind.
            Task.WaitAll([.. gathering.OfType<Task>()]);
        }
    }

    public void Dispose()
    {
        foreach (HostTensor staging in _staging)
            staging.Dispose();
        _download?.Dispose();
        _block.Dispose();
    }

    private static Task? Gather(KvStore store, int layer, int first, int end, HostTensor staging)
        => first >= end ? null : Task.Run(() => Gather(store, layer, first, Math.Min(BlockRows, end - first), (ushort*)staging.Data));

    /// <summary>[2 (keys, values), kvHeads, count, headDim]; through float32, so that any row format can be sent.</summary>
    private static void Gather(KvStore store, int layer, int first, int count, ushort* target)
    {
        int dim = store.Layout.HeadDim;
        float* tile = stackalloc float[TileRows * dim];
        for (int part = 0; part < 2 * store.Layout.KvHeads; part++)
        {
            int head = part % store.Layout.KvHeads;
            for (int row = first, end = first + count; row < end; row += TileRows)
            {
                int rows = Math.Min(TileRows, end - row);
                if (part < store.Layout.KvHeads)
                    store.ReadKeys(layer, head, row, rows, tile);
                else
                    store.ReadValues(layer, head, row, rows, tile);
                HalfRow.Narrow(tile, target, rows * dim);
                target += rows * dim;
            }
        }
    }

    private void Wait(Task gathering)
    {
        long begin = Stopwatch.GetTimestamp();
        gathering.GetAwaiter().GetResult();
        _ticksWaited += Stopwatch.GetTimestamp() - begin;
    }

    private DeviceRows Copy(HostTensor staging, int first, int count)
    {
        long part = (long)_layout.KvHeads * count * _layout.HeadDim;
        using DisposeScope scope = torch.NewDisposeScope();
        _block.narrow(0, 0, 2 * part).copy_(staging.Tensor.narrow(0, 0, 2 * part));
        _bytesToDevice += 2 * part * sizeof(ushort);
        return new DeviceRows(first, count, Part(0), Part(part));

        torch.Tensor Part(long offset)
            => _block.narrow(0, offset, part).view(_layout.KvHeads, count, _layout.HeadDim).MoveToOuterDisposeScope();
    }
}

/// <summary>Rows of one layer on a device; the memory is valid until the next block is asked for.</summary>
/// <param name="First">Number of the first row.</param>
/// <param name="Count">Rows.</param>
/// <param name="Keys">[kvHeads, Count, headDim], float16; belongs to the caller's dispose scope.</param>
/// <param name="Values">Like <paramref name="Keys"/>.</param>
public readonly record struct DeviceRows(int First, int Count, torch.Tensor Keys, torch.Tensor Values);

/// <summary>What a <see cref="KvTransfer"/> has moved.</summary>
/// <param name="BytesToDevice">Rows staged from the store.</param>
/// <param name="BytesToHost">New rows appended to the store.</param>
/// <param name="SecondsWaited">Time in which the device's thread had nothing to do but wait for rows to be gathered.</param>
public readonly record struct KvTransferCounters(long BytesToDevice, long BytesToHost, double SecondsWaited);
