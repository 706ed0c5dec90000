using System.Runtime.InteropServices;
using Retrieval.Index;
using Retrieval.Runtime.Kernels;

namespace Retrieval.Runtime.Compute;

/// <summary>
/// Decoder arithmetic on the processor. Few rows read the checkpoint's quantised bytes directly (bound by memory); many rows go
/// through libtorch's matrix product over converted weights (bound by arithmetic), see <see cref="HostGemm"/>.
/// </summary>
internal sealed unsafe class HostMath : IDecoderMath
{
    // Weights converted to float32 once: norms and biases are read at every step.
    private readonly Dictionary<Weight, nint> _vectors = [];
    private readonly Dictionary<Weight, PackedNibbles> _packed = [];
    private readonly WorkerPool _workers;
    private readonly HostGemm _gemm;
    private long _bytes;

    /// <param name="matrices">Weights that rows will be multiplied with.</param>
    /// <param name="bfloat16">Products of many rows in bfloat16.</param>
    public HostMath(IEnumerable<Weight> matrices, WorkerPool workers, bool bfloat16)
    {
        _workers = workers;
        _gemm = new HostGemm(workers, bfloat16);
        foreach (Weight weight in matrices.Where(PackedNibbles.CanPack))
        {
            _packed[weight] = PackedNibbles.Pack(weight, workers);
            // The checkpoint's own bytes are counted as weights already; the packed ones take their place.
            _bytes += _packed[weight].Bytes - weight.Stored.Bytes;
        }
    }

    public long DeviceBytes => _bytes + _gemm.Bytes;

    public Rows NewRows(int capacity, int width)
    {
        Rows rows = Rows.OnHost(capacity, width);
        _bytes += rows.Bytes;
        return rows;
    }

    public void Embed(ReadOnlySpan<int> tokens, Weight embedding, Rows x)
    {
        for (int i = 0; i < tokens.Length; i++)
            embedding.Read(tokens[i], 1, x.Row(i));
    }

    public void Load(float* host, Rows x) => Copy(host, x.Data, x);

    public void Store(Rows x, float* host) => Copy(x.Data, host, x);

    public void RmsNorm(Rows x, Weight weight, float epsilon, Rows y)
    {
        float* scale = Vector(weight);
        int width = weight.Columns, vectors = x.Count * (x.Width / width);
        _workers.For(vectors, RowsPerTask(width), (_, begin, end) =>
        {
            for (int i = begin; i < end; i++)
                Kernels.RmsNorm.Apply(x.Data + (long)i * width, scale, y.Data + (long)i * width, width, epsilon);
        });
    }

    public void Linear(Rows x, params ReadOnlySpan<Projection> projections)
    {
        if (IsMany(x))
            _gemm.Multiply(x, projections);
        else
            FewRows(x, projections.ToArray());
        foreach (Projection projection in projections)
        {
            if (projection.Bias is { } bias)
                AddBias(bias, projection.Result);
        }
    }

    public void AddLinear(Rows x, Projection projection, Rows y)
    {
        if (IsMany(x) && projection.Bias is null)
        {
            _gemm.AddProduct(x, projection, y);
            return;
        }
        Linear(x, projection);
        Add(y, projection.Result);
    }

    public void AddMlp(Rows x, Projection gate, Projection up, Projection down, Rows y)
    {
        if (IsMany(x) && _gemm.TakesMlp(x.Count))
        {
            _gemm.AddMlp(x, gate, up, down, y);
            return;
        }
        Linear(x, gate, up);
        SiluMultiply(gate.Result, up.Result);
        AddLinear(gate.Result, down, y);
    }

    public void Rotate(Rows x, int headDim, RotaryAngles angles)
    {
        _workers.For(x.Count, RowsPerTask(x.Width), (_, begin, end) =>
        {
            int half = angles.Dimensions / 2;
            fixed (float* cos = angles.Cos, sin = angles.Sin)
            {
                for (int i = begin; i < end; i++)
                {
                    for (float* head = x.Row(i), last = head + x.Width; head < last; head += headDim)
                        Rope.Apply(head, cos + i * half, sin + i * half, angles.Dimensions, angles.Adjacent);
                }
            }
        });
    }

    public void Add(Rows x, Rows y)
        => _workers.For(x.Count, RowsPerTask(x.Width), (_, begin, end) =>
            Kernels.Add.Apply(x.Row(begin), y.Row(begin), x.Row(begin), (end - begin) * x.Width));

    public void SiluMultiply(Rows gate, Rows up)
        => _workers.For(gate.Count, RowsPerTask(gate.Width), (_, begin, end) =>
            Kernels.SiluMultiply.Apply(gate.Row(begin), up.Row(begin), gate.Row(begin), (end - begin) * gate.Width));

    public void ReleaseConverted() => _gemm.ReleaseConverted();

    public void Dispose()
    {
        _gemm.Dispose();
        foreach (PackedNibbles packed in _packed.Values)
            packed.Dispose();
        foreach (nint vector in _vectors.Values)
            NativeMemory.Free((void*)vector);
        _vectors.Clear();
    }

    private static bool IsMany(Rows x) => x.Count > QuantizedMatVec.MaxBatch;

    /// <summary>All projections of the same rows in one parallel region: a region costs as much as a small matrix.</summary>
    private void FewRows(Rows x, Projection[] projections)
    {
        int total = projections.Sum(projection => projection.Weight.Rows), tasks = _workers.Threads * 4;
        int grain = Math.Max(32, (total + tasks - 1) / tasks);
        _workers.For(total, grain, (_, begin, end) =>
        {
            foreach (Projection projection in projections)
            {
                int rows = projection.Weight.Rows, first = Math.Max(0, begin), last = Math.Min(rows, end);
                if (first < last)
                    FewRows(x, projection.Weight, projection.Result, first, last - first);
                begin -= rows;
                end -= rows;
            }
        });
    }

    private void FewRows(Rows x, Weight weight, Rows y, int first, int count)
    {
        if (x.Count == 1 && _packed.TryGetValue(weight, out PackedNibbles? packed))
            packed.Multiply(first, count, x.Data, y.Data);
        else
            QuantizedMatVec.Multiply(weight.Type, weight.Data, weight.RowBytes, first, count, weight.Columns, x.Data, x.Width, x.Count, y.Data, y.Width);
    }

    private void AddBias(Weight bias, Rows y)
    {
        float* offset = Vector(bias);
        _workers.For(y.Count, RowsPerTask(y.Width), (_, begin, end) =>
        {
            for (int i = begin; i < end; i++)
                Kernels.Add.Apply(y.Row(i), offset, y.Row(i), y.Width);
        });
    }

    /// <summary>Enough rows for a task to outweigh handing it over.</summary>
    private static int RowsPerTask(int width) => Math.Max(1, 16384 / width);

    private void Copy(float* from, float* to, Rows shape) => _workers.For(shape.Count, RowsPerTask(shape.Width), (_, begin, end) =>
    {
        long first = (long)begin * shape.Width, bytes = (long)(end - begin) * shape.Width * sizeof(float);
        Buffer.MemoryCopy(from + first, to + first, bytes, bytes);
    });

    private float* Vector(Weight weight)
    {
        if (_vectors.TryGetValue(weight, out nint known))
            return (float*)known;
        var vector = (float*)NativeMemory.Alloc((nuint)(weight.Columns * sizeof(float)));
        weight.Read(0, 1, vector);
        _vectors[weight] = (nint)vector;
        _bytes += weight.Columns * sizeof(float);
        return vector;
    }
}
