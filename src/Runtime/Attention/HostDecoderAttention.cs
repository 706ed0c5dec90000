using Retrieval.Index;
using Retrieval.Offload;
using Retrieval.Runtime.Compute;
using Retrieval.Runtime.Models;

namespace Retrieval.Runtime.Attention;

/// <summary>Attention on the processor: sinks, window and far rows all lie in the store.</summary>
internal sealed unsafe class HostDecoderAttention(ModelConfig config, WorkerPool workers, bool rounded) : IDecoderAttention
{
    private readonly HostPrefill _prefill = new(workers, rounded);
    private readonly StoreAttention _rows = new(config, workers);

    public long DeviceBytes => 0;

    public KvTransferCounters Transfers => default;

    public void Prefill(SequenceState state, int layer, int position, int length, Rows query, Rows key, Rows value, Rows output)
    {
        AppendOnly(state, layer, position, query, key, value);
        IndexedRows? far = state.Reading(layer, position, query.Count, length);
        _prefill.Attend(
            state.Store, layer, position, query.Count, config.Heads, config.LayerKinds[layer].SlidingWindow, far, query.Data, output.Data);
    }

    public void AppendOnly(SequenceState state, int layer, int position, Rows query, Rows key, Rows value)
    {
        state.Observe(layer, position, query.Data, query.Count);
        state.Append(layer, key.Data, value.Data, key.Count);
    }

    public void Step(SequenceState state, int layer, int position, Rows query, Rows key, Rows value, Rows output)
    {
        int length = position + 1;
        state.Append(layer, key.Data, value.Data, 1);
        state.LayerStepped(layer, length);
        float scale = 1 / MathF.Sqrt(config.HeadDim);
        for (int i = 0; i < query.Width; i++)
            _rows.ScaledQuery[i] = query.Data[i] * scale;

        AttendRows(state, layer, length);
        int groupFloats = config.Group * config.HeadDim;
        for (int head = 0; head < config.KvHeads; head++)
        {
            new ReadOnlySpan<float>(_rows.AttendedBy(head).Output, groupFloats).CopyTo(new Span<float>(output.Data + head * groupFloats, groupFloats));
        }
    }

    public void Dispose()
    {
        _prefill.Dispose();
        _rows.Dispose();
    }

    private void AttendRows(SequenceState state, int layer, int length)
    {
        _rows.Begin();
        if (state.Selector(layer) is not { } selector)
        {
            _rows.Add(Math.Max(0, length - config.LayerKinds[layer].SlidingWindow!.Value), length);
            _rows.Attend(state.Store, layer);
            return;
        }
        int sinks = Math.Min(state.Policy.Sinks, length), searchedEnd = state.SearchedEnd(layer, length);
        if (searchedEnd == sinks)
        {
            _rows.Add(0, length);
            _rows.Attend(state.Store, layer);
            return;
        }
        _rows.Add(searchedEnd, length);
        if (state.Store.Placement(layer) is { } placement)
        {
            _rows.Attend(state.Store, layer);
            placement.Turn(_rows.ScaledQuery, config.Heads, config.HeadDim, sinks, searchedEnd);
        }
        _rows.Add(0, sinks);
        _rows.Attend(state.Store, layer);
        _rows.AttendSelected(selector, state.Store, layer);
    }
}
