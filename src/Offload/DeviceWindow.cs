using TorchSharp;

namespace Retrieval.Offload;

/// <summary>
/// The rows of one layer that stay on the device: the first tokens (sinks) and a ring of the most recent ones. They are a copy,
/// in 16-bit floats, of rows that the <see cref="KvStore"/> also holds, so whatever is lost is read again from there.
/// Row r lies in slot r up to the end of the ring's first round, later in the slot of row r − recent.
/// </summary>
public sealed class DeviceWindow : IDisposable
{
    private readonly KvLayout _layout;
    private readonly torch.Device _device;
    private readonly int _sinks;
    private readonly int _recent;
    private readonly int _slots;

    // [2 (keys, values), kvHeads, capacity, headDim]; grows to the full number of slots as rows come.
    private torch.Tensor? _rows;
    private int _capacity;

    // The ring holds rows [_first, Length).
    private int _first;

    /// <param name="sinks">First tokens kept for ever; 0 for a sliding layer.</param>
    /// <param name="recent">Most recent tokens kept; at least 1.</param>
    public DeviceWindow(KvLayout layout, torch.Device device, int sinks, int recent)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(sinks);
        ArgumentOutOfRangeException.ThrowIfLessThan(recent, 1);
        _layout = layout;
        _device = device;
        _sinks = sinks;
        _recent = recent;
        _slots = (int)Math.Min((long)sinks + recent, int.MaxValue);
        _first = sinks;
    }

    /// <summary>Rows that passed through, which is the number of the next one.</summary>
    public int Length { get; private set; }

    /// <summary>Rows held: sinks and the most recent ones.</summary>
    public int Count => Math.Min(Length, _slots);

    /// <summary>Bytes on the device.</summary>
    public long Bytes => 2L * _layout.KvHeads * _capacity * _layout.HeadDim * sizeof(ushort);

    /// <summary>Keys of the rows held, in no particular order.</summary>
    /// <returns>[kvHeads, Count, headDim], float16; belongs to the current dispose scope.</returns>
    public torch.Tensor Keys() => Held(0);

    /// <summary>Values in the order of <see cref="Keys"/>.</summary>
    public torch.Tensor Values() => Held(1);

    /// <summary>Adds rows [Length, Length + count).</summary>
    /// <param name="keys">[kvHeads, count, headDim], on the device.</param>
    /// <param name="values">Like <paramref name="keys"/>.</param>
    public void Append(torch.Tensor keys, torch.Tensor values, int count)
    {
        int begin = Length, end = checked(begin + count), kept = RingStart(end);
        Reserve(end);
        Write(begin, Math.Min(end, _sinks), begin, keys, values);
        Write(Math.Max(begin, kept), end, begin, keys, values);
        Length = end;
        _first = Math.Max(_first, kept);
    }

    /// <summary>Forgets the rows from <paramref name="length"/> on. <see cref="Refill"/> must follow before rows are read.</summary>
    public void Truncate(int length)
    {
        Length = Math.Min(Length, length);
        _first = Math.Min(_first, Math.Max(_sinks, Length));
    }

    /// <summary>
    /// Makes this hold what belongs to a layer of <paramref name="length"/> rows, reading from the store what is missing: nothing
    /// while rows only arrive through <see cref="Append"/>; the older part of the ring after a rewind; everything in a fork.
    /// </summary>
    public void Refill(KvStore store, int layer, int length, KvTransfer transfer)
    {
        Truncate(length);
        int kept = RingStart(length);
        if (Length == length && _first <= kept)
            return;
        Reserve(length);
        Load(Length, Math.Min(length, _sinks));
        Load(kept, Math.Min(_first, length));
        Load(Math.Max(Math.Max(kept, _first), Length), length);
        Length = length;
        _first = kept;

        void Load(int first, int end)
        {
            foreach (DeviceRows rows in transfer.Stage(store, layer, first, end))
            {
                using DisposeScope scope = torch.NewDisposeScope();
                Write(rows.First, rows.First + rows.Count, rows.First, rows.Keys, rows.Values);
                rows.Keys.Dispose();
                rows.Values.Dispose();
            }
        }
    }

    public void Dispose()
    {
        _rows?.Dispose();
        _rows = null;
        _capacity = 0;
    }

    /// <summary>First row of the ring when there are <paramref name="length"/> rows.</summary>
    private int RingStart(int length) => Math.Max(_sinks, length - _recent);

    private int Slot(int row) => row < _slots ? row : _sinks + (row - _sinks) % _recent;

    /// <summary>Copies rows [row, end) to their slots; the tensors' first row is <paramref name="origin"/>.</summary>
    private void Write(int row, int end, int origin, torch.Tensor keys, torch.Tensor values)
    {
        using DisposeScope scope = torch.NewDisposeScope();
        while (row < end)
        {
            int slot = Slot(row), run = Math.Min(end - row, _slots - slot);
            _rows!.select(0, 0).narrow(1, slot, run).copy_(keys.narrow(1, row - origin, run));
            _rows.select(0, 1).narrow(1, slot, run).copy_(values.narrow(1, row - origin, run));
            row += run;
        }
    }

    private torch.Tensor Held(int part)
    {
        int wanted = RingStart(Length);
        if (_first > wanted || _rows is null)
            throw new InvalidOperationException($"The window lacks rows {wanted} to {_first} of {Length}; refill it after a rewind.");
        using DisposeScope scope = torch.NewDisposeScope();
        return _rows.select(0, part).narrow(1, 0, Count).MoveToOuterDisposeScope();
    }

    private void Reserve(int length)
    {
        int needed = Math.Min(length, _slots);
        if (needed <= _capacity)
            return;
        int capacity = (int)Math.Min(_slots, Math.Max(needed, 2L * _capacity));
        using DisposeScope scope = torch.NewDisposeScope();
        torch.Tensor grown = torch.zeros([2, _layout.KvHeads, capacity, _layout.HeadDim], torch.ScalarType.Float16, _device);
        if (_rows is not null)
        {
            // The ring has not gone round yet: slots and rows are the same.
            grown.narrow(2, 0, _capacity).copy_(_rows);
            _rows.Dispose();
        }
        _rows = grown.DetachFromDisposeScope();
        _capacity = capacity;
    }
}
