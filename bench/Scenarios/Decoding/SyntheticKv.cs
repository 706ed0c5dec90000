using System.Numerics.Tensors;
using Retrieval.Runtime;
using Retrieval.Runtime.Compute;
using Retrieval.Runtime.Kernels;
using Retrieval.Runtime.Models;

namespace Retrieval.Scenarios.Decoding;

/// <summary>
/// KV rows of a long text without reading one. The rows of a short real text are repeated; RoPE moves each repetition to its
/// positions, and every row of it is disturbed by a share of the difference between two others, so that rows have the clusters
/// and the spectrum of real ones, and queries that belong to them. Deterministic.
/// </summary>
/// <remarks>
/// The first repetition is undisturbed. The first few tokens, which real models use as attention sinks, are not repeated.
/// A layer's index is built while the next layer's rows are made, so that at most two layers lie in 16-bit pages.
/// </remarks>
internal sealed unsafe class SyntheticKv(ModelConfig config, SampleRows sample)
{
    private const float Disturbance = 0.5f;
    private const int SinkTokens = 4;

    // Enough for second moments; a prompt's own sample is one query in eight.
    private const int QueriesObserved = 4096;

    // The last tokens' queries are observed at their own positions: error targets are calibrated on them.
    private const int LatestQueries = 512;

    private readonly int _keyWidth = config.KvHeads * config.HeadDim;
    private readonly int _queryWidth = config.Heads * config.HeadDim;
    private readonly RotaryAngles _angles = new(config.Rope);
    private readonly float _magnitude = RopeFrequencies.Magnitude(config.Rope);

    /// <summary>Fills an empty state with the rows of <paramref name="tokens"/> tokens and waits until its selectors have taken them in.</summary>
    /// <param name="onLayer">Receives the layers done.</param>
    public void Fill(SequenceState state, int tokens, Action<int> onLayer)
    {
        using var keys = new HostBuffer((long)SampleRows.Count * _keyWidth);
        using var values = new HostBuffer((long)SampleRows.Count * _keyWidth);
        using var queries = new HostBuffer((long)SampleRows.Count * _queryWidth);
        int blocks = (tokens + SampleRows.Count - 1) / SampleRows.Count;
        int observed = Math.Clamp(QueriesObserved / blocks, 1, SampleRows.Count / 8);
        for (int layer = 0; layer < config.Layers; layer++)
        {
            if (layer >= 2)
                state.Selector(layer - 2)?.Settle();
            for (int block = 0; block < blocks; block++)
            {
                int first = block * SampleRows.Count, count = Math.Min(SampleRows.Count, tokens - first);
                TurnTo(first, tokens);
                Rows(layer, block, count, keys, values);
                state.Append(layer, keys.Data, values.Data, count);
                for (int i = 0; i < observed; i++)
                    Observe(state, layer, first, (block * 389 + i * (SampleRows.Count / observed)) % SampleRows.Count, queries);
            }
            for (int position = Math.Max(0, tokens - LatestQueries) / 16 * 16; position < tokens; position += 16)
            {
                TurnTo(position / SampleRows.Count * SampleRows.Count, tokens);
                Observe(state, layer, position, position % SampleRows.Count, queries);
            }
            state.LayerRead(layer, tokens);
            onLayer(layer + 1);
        }
        for (int layer = 0; layer < config.Layers; layer++)
            state.Selector(layer)?.Settle();
        state.Complete(tokens);
    }

    /// <summary>The rotation by so many positions; its magnitude is in the sample's rows already.</summary>
    private void TurnTo(int positions, int tokens)
    {
        _angles.Set(positions, 1, tokens);
        TensorPrimitives.Divide(_angles.Cos, _magnitude, _angles.Cos);
        TensorPrimitives.Divide(_angles.Sin, _magnitude, _angles.Sin);
    }

    private void Observe(SequenceState state, int layer, int position, int token, HostBuffer queries)
    {
        sample.Query(layer, token).CopyTo(queries.Span(0, _queryWidth));
        Rotate(layer, queries.Data, config.Heads);
        state.Observe(layer, position, queries.Data, 1);
    }

    private void Rows(int layer, int block, int count, HostBuffer keys, HostBuffer values)
    {
        ulong random = ((ulong)layer << 32 | (uint)block) * 0x9e3779b97f4a7c15 | 1;
        for (int i = 0; i < count; i++)
        {
            Span<float> key = keys.Span((long)i * _keyWidth, _keyWidth), value = values.Span((long)i * _keyWidth, _keyWidth);
            int token = block > 0 && i < SinkTokens ? i + SampleRows.Count / 2 : i;
            if (block == 0)
            {
                sample.Key(layer, token).CopyTo(key);
                sample.Value(layer, token).CopyTo(value);
                continue;
            }
            int one = Other(ref random), two = Other(ref random);
            Disturb(sample.Key(layer, token), sample.Key(layer, one), sample.Key(layer, two), key);
            Disturb(sample.Value(layer, token), sample.Value(layer, one), sample.Value(layer, two), value);
            Rotate(layer, keys.Data + (long)i * _keyWidth, config.KvHeads);
        }
    }

    private static void Disturb(ReadOnlySpan<float> row, ReadOnlySpan<float> one, ReadOnlySpan<float> two, Span<float> destination)
    {
        TensorPrimitives.Subtract(one, two, destination);
        TensorPrimitives.MultiplyAdd(destination, Disturbance, row, destination);
    }

    private void Rotate(int layer, float* heads, int count)
    {
        if (!config.LayerKinds[layer].Rotary)
            return;
        fixed (float* cos = _angles.Cos, sin = _angles.Sin)
        {
            for (int head = 0; head < count; head++)
                Rope.Apply(heads + head * config.HeadDim, cos, sin, _angles.Dimensions, _angles.Adjacent);
        }
    }

    /// <summary>A token of the sample that is no sink; xorshift64* (Vigna 2014).</summary>
    private static int Other(ref ulong random)
    {
        random ^= random >> 12;
        random ^= random << 25;
        random ^= random >> 27;
        return SinkTokens + (int)((random * 0x2545f4914f6cdd1d >> 32) * (SampleRows.Count - SinkTokens) >> 32);
    }
}
