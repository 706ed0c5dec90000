using Retrieval.Index;
using Retrieval.Offload;
using Retrieval.Runtime.Compute;
using Retrieval.Runtime.Models;
using Retrieval.Runtime.Torch;
using TorchSharp;

namespace Retrieval.Runtime.Attention;

/// <summary>
/// Attention where the device is not the host: sinks and window lie on the device as <see cref="DeviceWindow"/>s, all rows in the
/// host's store. A prompt's chunk meets the earlier rows as blocks that pass through <see cref="KvTransfer"/>; a decode step
/// attends to the window on the device and to the selected rows on the host, and merges the two.
/// </summary>
/// <remarks>
/// Rows are rounded to 16 bits before they are used, as in the store: a rewound or forked sequence computes exactly the same.
/// Tested on libtorch's CPU device everywhere, and on a GPU where there is one.
/// </remarks>
internal sealed unsafe class DeviceDecoderAttention : IDecoderAttention
{
    // The largest half: a row must stay finite.
    private const float Largest = 65504;

    private readonly ModelConfig _config;
    private readonly KvTransfer _transfer;
    private readonly StoreAttention _far;

    public DeviceDecoderAttention(ModelConfig config, torch.Device device, WorkerPool workers)
    {
        _config = config;
        _transfer = new KvTransfer(new KvLayout(config.Layers, config.KvHeads, config.HeadDim), device);
        _far = new StoreAttention(config, workers);
    }

    public long DeviceBytes => _transfer.DeviceBytes;

    public KvTransferCounters Transfers => _transfer.Counters;

    public void Prefill(SequenceState state, int layer, int position, int length, Rows query, Rows key, Rows value, Rows output)
    {
        using DisposeScope scope = torch.NewDisposeScope();
        Observe(state, layer, position, query);
        (torch.Tensor keys, torch.Tensor values) = Append(state, layer, position, key, value);
        int? window = _config.LayerKinds[layer].SlidingWindow;
        int tokens = query.Count, firstSeen = window is { } w ? Math.Max(0, position - w + 1) : 0;
        var attention = new ChunkAttention(query.View(), tokens, _config.KvHeads, _config.Group, _config.HeadDim, position, window);
        foreach (DeviceRows rows in _transfer.Stage(state.Store, layer, firstSeen, position))
            attention.Add(rows.Keys, rows.Values, rows.First, rows.Count);
        for (int i = 0; i < tokens; i += KvTransfer.BlockRows)
        {
            int count = Math.Min(KvTransfer.BlockRows, tokens - i);
            attention.Add(keys.narrow(1, i, count), values.narrow(1, i, count), position + i, count);
        }
        output.View().copy_(attention.Result());
    }

    public void AppendOnly(SequenceState state, int layer, int position, Rows query, Rows key, Rows value)
    {
        using DisposeScope scope = torch.NewDisposeScope();
        Observe(state, layer, position, query);
        Append(state, layer, position, key, value);
    }

    public void Step(SequenceState state, int layer, int position, Rows query, Rows key, Rows value, Rows output)
    {
        using DisposeScope scope = torch.NewDisposeScope();
        Append(state, layer, position, key, value);
        state.LayerStepped(layer, position + 1);
        torch.Tensor scaled = query.View().view(_config.KvHeads, _config.Group, _config.HeadDim) * (1 / MathF.Sqrt(_config.HeadDim));
        (torch.Tensor resident, torch.Tensor logSumExp) = AttendResident(state.Window(layer), scaled);
        torch.Tensor attended = AttendFar(state, layer, position + 1, scaled, resident, logSumExp) ?? resident;
        output.View().view(_config.KvHeads, -1).copy_(attended.view(_config.KvHeads, -1));
    }

    public void Dispose()
    {
        _transfer.Dispose();
        _far.Dispose();
    }

    /// <summary>New rows into store and window.</summary>
    /// <returns>The rows as they were stored: [kvHeads, tokens, headDim], float16.</returns>
    private (torch.Tensor Keys, torch.Tensor Values) Append(SequenceState state, int layer, int position, Rows key, Rows value)
    {
        DeviceWindow window = state.Window(layer);
        window.Refill(state.Store, layer, position, _transfer);
        torch.Tensor keys = Rounded(key), values = Rounded(value);
        _transfer.Append(state.Store, layer, key.View(), value.View(), key.Count);
        window.Append(keys, values, key.Count);
        return (keys, values);

        torch.Tensor Rounded(Rows rows) => rows.View().clamp(-Largest, Largest).to(torch.ScalarType.Float16)
            .view(rows.Count, _config.KvHeads, _config.HeadDim).transpose(0, 1);
    }

    /// <summary>Attention over sinks and window: outputs [kvHeads, group, headDim] and log-sum-exps [kvHeads, group, 1].</summary>
    private static (torch.Tensor Output, torch.Tensor LogSumExp) AttendResident(DeviceWindow window, torch.Tensor query)
    {
        torch.Tensor logits = query.bmm(window.Keys().to(torch.ScalarType.Float32).transpose(1, 2));
        torch.Tensor logSumExp = logits.logsumexp(-1, keepdim: true);
        return (logits.sub_(logSumExp).exp_().bmm(window.Values().to(torch.ScalarType.Float32)), logSumExp);
    }

    /// <summary>
    /// Attention over the far rows on the host, which takes over what the device has attended to: those that the selector does not
    /// speak for, then those that it chooses.
    /// </summary>
    /// <returns>[kvHeads, group * headDim] on the host; null: sinks and window are all there is to read.</returns>
    private torch.Tensor? AttendFar(SequenceState state, int layer, int length, torch.Tensor scaledQuery, torch.Tensor resident, torch.Tensor logSumExp)
    {
        int farEnd = state.FarEnd(length), sinks = state.Policy.Sinks;
        if (state.Selector(layer) is not { } selector || farEnd <= sinks || farEnd > length)
            return null;
        int searchedEnd = state.SearchedEnd(layer, length);
        _far.Begin();
        NativeTensor.Borrow(_far.ScaledQuery, torch.ScalarType.Float32, _config.KvHeads, _config.Group, _config.HeadDim).copy_(scaledQuery);
        // One copy brings outputs and log-sum-exps of all heads in the order in which an AttentionPartial has them.
        torch.Tensor attended = NativeTensor.Borrow(_far.Attended, torch.ScalarType.Float32, _config.KvHeads, AttentionPartial.Floats(_config.Group, _config.HeadDim));
        attended.copy_(torch.cat([resident.view(_config.KvHeads, -1), logSumExp.view(_config.KvHeads, -1)], 1));
        _far.Add(searchedEnd, farEnd);
        _far.Attend(state.Store, layer);
        if (searchedEnd > sinks)
            _far.AttendSelected(selector, state.Store, layer);
        return attended.narrow(1, 0, _config.Group * _config.HeadDim).contiguous();
    }

    /// <summary>Brings a chunk's queries to the host, as many as are looked at there.</summary>
    private static void Observe(SequenceState state, int layer, int position, Rows query)
    {
        if (state.Selector(layer) is null)
            return;
        using torch.Tensor host = query.View().to(torch.CPU).contiguous();
        fixed (float* data = host.data<float>().ToArray())
            state.Observe(layer, position, data, query.Count);
    }
}
