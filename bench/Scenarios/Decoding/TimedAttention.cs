using System.Diagnostics;
using Retrieval.Offload;
using Retrieval.Runtime;
using Retrieval.Runtime.Attention;
using Retrieval.Runtime.Compute;

namespace Retrieval.Scenarios.Decoding;

/// <summary>Attention that notes the time of decode steps outside the selectors, and shows a prompt's rows to whoever asks.</summary>
internal sealed class TimedAttention(IDecoderAttention inner, StepClock clock) : IDecoderAttention
{
    /// <summary>Receives layer, queries, keys and values of each chunk of a prompt, after RoPE.</summary>
    public Action<int, Rows, Rows, Rows>? OnPrompt { get; set; }

    public long DeviceBytes => inner.DeviceBytes;

    public KvTransferCounters Transfers => inner.Transfers;

    public void Prefill(SequenceState state, int layer, int position, int length, Rows query, Rows key, Rows value, Rows output)
    {
        OnPrompt?.Invoke(layer, query, key, value);
        inner.Prefill(state, layer, position, length, query, key, value, output);
    }

    public void Step(SequenceState state, int layer, int position, Rows query, Rows key, Rows value, Rows output)
    {
        long select = clock.Select, begin = Stopwatch.GetTimestamp();
        inner.Step(state, layer, position, query, key, value, output);
        clock.Attend += Stopwatch.GetTimestamp() - begin - (clock.Select - select);
    }

    public void AppendOnly(SequenceState state, int layer, int position, Rows query, Rows key, Rows value)
    {
        OnPrompt?.Invoke(layer, query, key, value);
        inner.AppendOnly(state, layer, position, query, key, value);
    }

    public void Dispose() => inner.Dispose();
}
