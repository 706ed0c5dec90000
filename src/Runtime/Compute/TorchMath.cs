using Retrieval.Runtime.Models;
using Retrieval.Runtime.Torch;
using TorchSharp;

namespace Retrieval.Runtime.Compute;

/// <summary>
/// Decoder arithmetic through libtorch operations, on any device. Activations are float32; matrices are multiplied in the type
/// that <see cref="DeviceWeights"/> holds them in. Every operation runs in a dispose scope of its own.
/// </summary>
internal sealed unsafe class TorchMath(torch.Device device, DeviceWeights weights) : IDecoderMath
{
    private NativeTensor? _embedded;
    // add_ without it makes a number of its own, which the collector may free while the native call still reads it.
    private static readonly Scalar One = 1f;

    private (RotaryAngles Of, long Version, torch.Tensor Cos, torch.Tensor Sin)? _angles;

    public long DeviceBytes { get; private set; }

    public Rows NewRows(int capacity, int width)
    {
        Rows rows = Rows.OnDevice(capacity, width, device);
        DeviceBytes += rows.Bytes;
        return rows;
    }

    /// <remarks>Rows are widened on the host: an embedding that is not also the output head needs no place on the device.</remarks>
    public void Embed(ReadOnlySpan<int> tokens, Weight embedding, Rows x)
    {
        long bytes = (long)tokens.Length * embedding.Columns * sizeof(float);
        if (_embedded is null || _embedded.Bytes < bytes)
        {
            _embedded?.Dispose();
            _embedded = new NativeTensor(bytes);
        }
        for (int i = 0; i < tokens.Length; i++)
            embedding.Read(tokens[i], 1, (float*)_embedded.Data + (long)i * embedding.Columns);
        Load((float*)_embedded.Data, x);
    }

    public void Load(float* host, Rows x)
    {
        using DisposeScope scope = torch.NewDisposeScope();
        x.View().copy_(NativeTensor.Borrow(host, torch.ScalarType.Float32, x.Count, x.Width));
    }

    public void Store(Rows x, float* host)
    {
        using DisposeScope scope = torch.NewDisposeScope();
        NativeTensor.Borrow(host, torch.ScalarType.Float32, x.Count, x.Width).copy_(x.View());
    }

    public void RmsNorm(Rows x, Weight weight, float epsilon, Rows y)
    {
        using DisposeScope scope = torch.NewDisposeScope();
        torch.Tensor vectors = x.View().view(-1, weight.Columns);
        torch.Tensor inverse = vectors.square().mean([-1], keepdim: true).add_(epsilon).rsqrt_();
        y.View().view(-1, weight.Columns).copy_((vectors * inverse).mul_(weights[weight]));
    }

    public void Linear(Rows x, params ReadOnlySpan<Projection> projections)
    {
        using DisposeScope scope = torch.NewDisposeScope();
        torch.Tensor input = x.View().to(weights.MatrixType);
        foreach ((Weight weight, Weight? bias, Rows y) in projections)
        {
            torch.Tensor matrix = weights[weight].t(), result = y.View();
            if (weights.MatrixType == torch.ScalarType.Float32)
                result.addmm_(input, matrix, 0, 1);
            else
                result.copy_(input.mm(matrix));
            if (bias is not null)
                result.add_(weights[bias]);
        }
    }

    public void Rotate(Rows x, int headDim, RotaryAngles angles)
    {
        using DisposeScope scope = torch.NewDisposeScope();
        (torch.Tensor cos, torch.Tensor sin) = OnDevice(angles);
        int half = angles.Dimensions / 2, tokens = x.Count, heads = x.Width / headDim, pair = angles.Adjacent ? 3 : 2;
        torch.Tensor rotated = x.View().view(tokens, heads, headDim).narrow(2, 0, angles.Dimensions);
        torch.Tensor pairs = angles.Adjacent ? rotated.view(tokens, heads, half, 2) : rotated.view(tokens, heads, 2, half);
        torch.Tensor first = pairs.select(pair, 0), second = pairs.select(pair, 1);
        torch.Tensor newFirst = (first * cos).sub_(second * sin);
        second.copy_((second * cos).add_(first * sin));
        first.copy_(newFirst);
    }

    public void Add(Rows x, Rows y)
    {
        using DisposeScope scope = torch.NewDisposeScope();
        x.View().add_(y.View(), One);
    }

    public void SiluMultiply(Rows gate, Rows up)
    {
        using DisposeScope scope = torch.NewDisposeScope();
        torch.Tensor result = gate.View();
        result.copy_(torch.nn.functional.silu(result).mul_(up.View()));
    }

    public void ReleaseConverted()
    {
    }

    public void Dispose()
    {
        _embedded?.Dispose();
        _angles?.Cos.Dispose();
        _angles?.Sin.Dispose();
        weights.Dispose();
    }

    /// <summary>The tables as [tokens, 1, dimensions / 2]: all layers of a chunk or step share one upload.</summary>
    private (torch.Tensor Cos, torch.Tensor Sin) OnDevice(RotaryAngles angles)
    {
        if (_angles is { } known)
        {
            if (known.Of == angles && known.Version == angles.Version)
                return (known.Cos, known.Sin);
            known.Cos.Dispose();
            known.Sin.Dispose();
        }
        torch.Tensor cos = Upload(angles.Cos), sin = Upload(angles.Sin);
        _angles = (angles, angles.Version, cos, sin);
        return (cos, sin);

        torch.Tensor Upload(float[] table)
        {
            int half = angles.Dimensions / 2;
            torch.Tensor copy = torch.empty(angles.Count, 1, half, torch.float32, device).DetachFromDisposeScope();
            fixed (float* data = table)
                copy.copy_(NativeTensor.Borrow(data, torch.ScalarType.Float32, angles.Count, 1, half));
            return copy;
        }
    }
}
