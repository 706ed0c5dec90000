using System.Runtime.InteropServices;
using Retrieval.Index;
using Retrieval.Runtime.Kernels;

namespace Retrieval.Runtime.Compute;

/// <summary>
/// Decoder arithmetic on the processor. Few rows read the checkpoint's quantised bytes directly (bound by memory); many rows go
/// through libtorch's matrix product over converted weights (bound by arithmetic), see <see cref="HostGemm"/>.
/// </summary>
internal sealed unsafe class HostMath(WorkerPool workers, bool bfloat16) : IDecoderMath
{
    // Weights converted to float32 once: norms and biases are read at every step.
    private readonly Dictionary<Weight, nint> _vectors = [];
    private readonly HostGemm _gemm = new(workers, bfloat16);
    private long _bytes;

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

    public void Load(float* host, Rows x) => Copy(host, x.Data, (long)x.Count * x.Width);

    public void Store(Rows x, float* host) => Copy(x.Data, host, (long)x.Count * x.Width);

    public void RmsNorm(Rows x, Weight weight, float epsilon, Rows y)
    {
        float* scale = Vector(weight);
        int width = weight.Columns, vectors = x.Count * (x.Width / width);
        workers.For(vectors, RowsPerTask(width), (_, begin, end) =>
        {
            for (int i = begin; i < end; i++)
                Kernels.RmsNorm.Apply(x.Data + (long)i * width, scale, y.Data + (long)i * width, width, epsilon);
        });
    }

    public void Linear(Rows x, Weight weight, Weight? bias, Rows y)
    {
        if (x.Count <= QuantizedMatVec.MaxBatch)
        {
            int grain = Math.Max(8, (weight.Rows + workers.Threads * 4 - 1) / (workers.Threads * 4));
            workers.For(weight.Rows, grain, (_, begin, end) => QuantizedMatVec.Multiply(
                weight.Type, weight.Data, weight.RowBytes, begin, end - begin, weight.Columns, x.Data, x.Width, x.Count, y.Data, y.Width));
        }
        else
        {
            _gemm.Multiply(x, weight, y);
        }
        if (bias is null)
            return;
        float* offset = Vector(bias);
        workers.For(x.Count, RowsPerTask(y.Width), (_, begin, end) =>
        {
            for (int i = begin; i < end; i++)
                Kernels.Add.Apply(y.Row(i), offset, y.Row(i), y.Width);
        });
    }

    public void Rotate(Rows x, int headDim, RotaryAngles angles)
    {
        workers.For(x.Count, RowsPerTask(x.Width), (_, begin, end) =>
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
        => workers.For(x.Count, RowsPerTask(x.Width), (_, begin, end) =>
            Kernels.Add.Apply(x.Row(begin), y.Row(begin), x.Row(begin), (end - begin) * x.Width));

    public void SiluMultiply(Rows gate, Rows up)
        => workers.For(gate.Count, RowsPerTask(gate.Width), (_, begin, end) =>
            Kernels.SiluMultiply.Apply(gate.Row(begin), up.Row(begin), gate.Row(begin), (end - begin) * gate.Width));

    public void ReleaseConverted() => _gemm.ReleaseConverted();

    public void Dispose()
    {
        _gemm.Dispose();
        foreach (nint vector in _vectors.Values)
            NativeMemory.Free((void*)vector);
        _vectors.Clear();
    }

    /// <summary>Enough rows for a task to outweigh handing it over.</summary>
    private static int RowsPerTask(int width) => Math.Max(1, 16384 / width);

    private static void Copy(float* from, float* to, long count) => Buffer.MemoryCopy(from, to, count * sizeof(float), count * sizeof(float));

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
