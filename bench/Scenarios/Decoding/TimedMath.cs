using System.Diagnostics;
using Retrieval.Runtime.Compute;

namespace Retrieval.Scenarios.Decoding;

/// <summary>Decoder arithmetic that notes the time in products with weights.</summary>
internal sealed unsafe class TimedMath(IDecoderMath inner, StepClock clock) : IDecoderMath
{
    public long DeviceBytes => inner.DeviceBytes;

    public Rows NewRows(int capacity, int width) => inner.NewRows(capacity, width);

    public void Embed(ReadOnlySpan<int> tokens, Weight embedding, Rows x) => inner.Embed(tokens, embedding, x);

    public void Load(float* host, Rows x) => inner.Load(host, x);

    public void Store(Rows x, float* host) => inner.Store(x, host);

    public void RmsNorm(Rows x, Weight weight, float epsilon, Rows y) => inner.RmsNorm(x, weight, epsilon, y);

    public void Linear(Rows x, params ReadOnlySpan<Projection> projections)
    {
        long begin = Stopwatch.GetTimestamp();
        inner.Linear(x, projections);
        clock.Weights += Stopwatch.GetTimestamp() - begin;
    }

    public void Rotate(Rows x, int headDim, RotaryAngles angles) => inner.Rotate(x, headDim, angles);

    public void Add(Rows x, Rows y) => inner.Add(x, y);

    public void SiluMultiply(Rows gate, Rows up) => inner.SiluMultiply(gate, up);

    public void ReleaseConverted() => inner.ReleaseConverted();

    public void Dispose() => inner.Dispose();
}
