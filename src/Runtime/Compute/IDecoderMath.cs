using Retrieval.Runtime.Models;

namespace Retrieval.Runtime.Compute;

/// <summary>
/// The arithmetic of a decoder outside attention, on one device. Two implementations ship: <see cref="HostMath"/>, our own
/// kernels on the processor, and <see cref="TorchMath"/>, libtorch operations on any device.
/// </summary>
internal interface IDecoderMath : IDisposable
{
    /// <summary>Bytes on the device beside the weights as loaded: work buffers and converted weights.</summary>
    long DeviceBytes { get; }

    /// <summary>A buffer of activations, [capacity, width].</summary>
    Rows NewRows(int capacity, int width);

    /// <summary>x[i] = row tokens[i] of the embedding.</summary>
    void Embed(ReadOnlySpan<int> tokens, Weight embedding, Rows x);

    /// <summary>Copies [x.Count, width] activations from host memory.</summary>
    unsafe void Load(float* host, Rows x);

    /// <summary>Copies [x.Count, width] activations to host memory.</summary>
    unsafe void Store(Rows x, float* host);

    /// <summary>y = x / rms(x) * weight, over each group of weight.Columns elements of a row (a whole row, or each head). y may be x.</summary>
    void RmsNorm(Rows x, Weight weight, float epsilon, Rows y);

    /// <summary>Result = x Wᵀ (+ bias) for matrices that share their input; each Result has as many rows as x.</summary>
    void Linear(Rows x, params ReadOnlySpan<Projection> projections);

    /// <summary>y += x Wᵀ (+ bias). The projection's Result is scratch.</summary>
    void AddLinear(Rows x, Projection projection, Rows y)
    {
        Linear(x, projection);
        Add(y, projection.Result);
    }

    /// <summary>y += down(silu(gate x) * up x). The Results of the projections are scratch.</summary>
    void AddMlp(Rows x, Projection gate, Projection up, Projection down, Rows y)
    {
        Linear(x, gate, up);
        SiluMultiply(gate.Result, up.Result);
        AddLinear(gate.Result, down, y);
    }

    /// <summary>Rotates every head of every row, row i by the angles of angles[i].</summary>
    void Rotate(Rows x, int headDim, RotaryAngles angles);

    /// <summary>x += y.</summary>
    void Add(Rows x, Rows y);

    /// <summary>gate = silu(gate) * up.</summary>
    void SiluMultiply(Rows gate, Rows up);

    /// <summary>The weights used since the last call will not be used again for a while: converted copies may go.</summary>
    void ReleaseConverted();
}

/// <summary>One product of some activations.</summary>
internal readonly record struct Projection(Weight Weight, Weight? Bias, Rows Result);
