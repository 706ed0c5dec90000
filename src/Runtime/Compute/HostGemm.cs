using Retrieval.Index;
using Retrieval.Runtime.Kernels;
using Retrieval.Runtime.Torch;
using TorchSharp;
using BFloat16 = Retrieval.Runtime.Kernels.BFloat16;

namespace Retrieval.Runtime.Compute;

/// <summary>
/// Matrix products of many rows through libtorch, on our own threads: each worker multiplies a block of rows by itself, and
/// packs, unpacks or gates it while it is in cache. libtorch's threads, taking turns with ours, lost half the time to waiting.
/// </summary>
internal sealed unsafe class HostGemm : IDisposable
{
    // Every product rearranges its weights once: a tenth of the time at 128 rows, half of it at 32. More rows gain nothing.
    private const int MostRows = 128, FewestRows = 32;

    // Where there are more threads than blocks of rows, several share a block: columns of the result that are worth a task.
    private const int FewestColumns = 256;

    private readonly WorkerPool _workers;
    private readonly ConvertedWeights _weights;
    private readonly bool _bfloat16;
    private readonly NativeTensor?[] _input;
    private readonly NativeTensor?[] _output;
    private long _scratchBytes;

    public HostGemm(WorkerPool workers, bool bfloat16)
    {
        _workers = workers;
        _bfloat16 = bfloat16;
        _weights = new ConvertedWeights(workers, bfloat16);
        _input = new NativeTensor?[workers.Threads];
        _output = new NativeTensor?[workers.Threads];
        workers.Run(static _ => torch.set_num_threads(1));
    }

    public long Bytes => _weights.Bytes + Interlocked.Read(ref _scratchBytes);

    /// <summary>Result = x Wᵀ for each projection; biases are not added.</summary>
    public void Multiply(Rows x, ReadOnlySpan<Projection> projections) => Multiply(x, projections, add: false);

    /// <summary>y += x Wᵀ for the projection's weights; <see cref="Projection.Result"/> and the bias are not touched.</summary>
    public void AddProduct(Rows x, Projection projection, Rows y) => Multiply(x, [projection with { Result = y }], add: true);

    /// <summary>Are there enough rows for every worker to take its own through a whole MLP?</summary>
    public bool TakesMlp(int rows) => _bfloat16 && rows >= FewestRows * _workers.Threads;

    /// <summary>y += down(silu(gate x) * up x), each block of rows at once: what lies between the products is never wider than bfloat16.</summary>
    public void AddMlp(Rows x, Projection gate, Projection up, Projection down, Rows y)
    {
        int hidden = x.Width, ffn = gate.Weight.Rows;
        nint gateUp = (nint)_weights.Of([gate, up]), back = (nint)_weights.Of([down]);
        int block = BlockRows(x.Count);
        _workers.For(x.Count, block, (worker, begin, end) =>
        {
            using DisposeScope scope = torch.NewDisposeScope();
            int rows = end - begin;
            var input = (ushort*)Scratch(ref _input[worker], (long)block * Math.Max(hidden, ffn));
            var output = (ushort*)Scratch(ref _output[worker], (long)block * Math.Max(y.Width, 2 * ffn));
            BFloat16.Pack(x.Row(begin), input, rows * hidden);
            Product(input, (byte*)gateUp, output, rows, hidden, 2 * ffn);
            for (int row = 0; row < rows; row++)
                SiluMultiply.Apply(output + (long)row * 2 * ffn, output + ((long)row * 2 + 1) * ffn, input + (long)row * ffn, ffn);
            Product(input, (byte*)back, output, rows, ffn, y.Width);
            BFloat16.AddTo(output, y.Row(begin), rows * y.Width);
        });
    }

    public void ReleaseConverted() => _weights.Release();

    public void Dispose()
    {
        _weights.Dispose();
        foreach (NativeTensor? memory in (NativeTensor?[])[.. _input, .. _output])
            memory?.Dispose();
    }

    private void Multiply(Rows x, ReadOnlySpan<Projection> projections, bool add)
    {
        Projection[] all = projections.ToArray();
        int columns = all.Sum(projection => projection.Weight.Rows), inner = x.Width;
        var weights = (nint)_weights.Of(projections);
        int block = BlockRows(x.Count), blocks = (x.Count + block - 1) / block;
        int slices = Math.Clamp(_workers.Threads / blocks, 1, Math.Max(1, columns / FewestColumns)), slice = ((columns + slices - 1) / slices + 15) / 16 * 16;
        slices = (columns + slice - 1) / slice;
        _workers.For(blocks * slices, 1, (worker, task, _) =>
        {
            using DisposeScope scope = torch.NewDisposeScope();
            int first = task / slices * block, rows = Math.Min(block, x.Count - first);
            int left = task % slices * slice, width = Math.Min(slice, columns - left);
            byte* input = (byte*)x.Row(first), output = Scratch(ref _output[worker], (long)block * slice);
            if (_bfloat16)
            {
                input = Scratch(ref _input[worker], (long)block * inner);
                BFloat16.Pack(x.Row(first), (ushort*)input, rows * inner);
            }
            Product(input, (byte*)weights + (long)left * inner * _weights.ElementBytes, output, rows, inner, width);
            Spread(output, rows, width, all, left, first, add);
        });
    }

    /// <summary>Columns [left, left + width) of the products go to the rows from <paramref name="first"/> on of the results that they belong to.</summary>
    private void Spread(byte* output, int rows, int width, Projection[] projections, int left, int first, bool add)
    {
        foreach (Projection projection in projections)
        {
            Rows y = projection.Result;
            int begin = Math.Max(0, left), end = Math.Min(y.Width, left + width);
            for (int row = 0; row < rows && begin < end; row++)
            {
                long from = (long)row * width + begin - left;
                float* to = y.Row(first + row) + begin;
                if (!_bfloat16 && add)
                    Add.Apply(to, (float*)output + from, to, end - begin);
                else if (!_bfloat16)
                    Buffer.MemoryCopy((float*)output + from, to, (end - begin) * sizeof(float), (end - begin) * sizeof(float));
                else if (add)
                    BFloat16.AddTo((ushort*)output + from, to, end - begin);
                else
                    BFloat16.Unpack((ushort*)output + from, to, end - begin);
            }
            left -= y.Width;
        }
    }

    /// <summary>output = input weightsᵀ, on the calling thread alone.</summary>
    private void Product(void* input, void* weights, void* output, int rows, int inner, int columns)
        => NativeTensor.Borrow(output, _weights.Type, rows, columns).addmm_(
            NativeTensor.Borrow(input, _weights.Type, rows, inner), NativeTensor.Borrow(weights, _weights.Type, columns, inner).t(), 0, 1);

    /// <summary>As many rows as a product likes, in equally many blocks for every worker.</summary>
    private int BlockRows(int rows)
    {
        int rounds = (rows + MostRows * _workers.Threads - 1) / (MostRows * _workers.Threads), blocks = rounds * _workers.Threads;
        return Math.Max(FewestRows, ((rows + blocks - 1) / blocks + 15) / 16 * 16);
    }

    private byte* Scratch(ref NativeTensor? memory, long elements)
    {
        long bytes = elements * _weights.ElementBytes;
        if (memory is null || memory.Bytes < bytes)
        {
            Interlocked.Add(ref _scratchBytes, bytes - (memory?.Bytes ?? 0));
            memory?.Dispose();
            memory = new NativeTensor(bytes);
        }
        return memory.Data;
    }
}
