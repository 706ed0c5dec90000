using System.Diagnostics;
using Retrieval.Offload;
using Retrieval.Runtime;

namespace Retrieval.Scenarios.Decoding;

/// <summary>Decode steps at one depth, some at a time.</summary>
internal sealed class DecodeTurns(DecodeRig rig, SequenceState state, int depth, double buildSeconds) : IDisposable
{
    public const int FirstToken = 1;

    // Steps until code is compiled for speed and caches are as they stay; and until the caches are, after others had their turn.
    private const int WarmUpSteps = 8, UntimedSteps = 2;
    private static readonly TimeSpan LeastWarmUp = TimeSpan.FromSeconds(1);

    private readonly List<StepTimes> _times = [];
    private int _token = FirstToken;
    private long _bytes;

    public SequenceState State => state;

    public int Depth => depth;

    /// <summary>About what the process would take if this depth were the only one.</summary>
    public long ResidentBytes { get; set; }

    public void WarmUp()
    {
        long begin = Stopwatch.GetTimestamp();
        for (int i = 0; i < WarmUpSteps || Stopwatch.GetElapsedTime(begin) < LeastWarmUp; i++)
            (_token, _) = rig.Step(state, _token);
        state.RewindTo(depth);
        _token = FirstToken;
    }

    /// <summary>Measures so many steps.</summary>
    public void Take(int steps)
    {
        KvLayout layout = state.Store.Layout;
        // Rows of a layer that are packed at all are packed where selectors find them.
        long chosenRowBytes = Enumerable.Range(0, layout.Layers).Any(layer => state.Store.Segments(layer).Count > 0) ? layout.PackedRowBytes : layout.RowBytes;
        for (int i = steps > 0 ? -UntimedSteps : 0; i < steps; i++)
        {
            long before = state.BytesRead;
            (_token, StepTimes step) = rig.Step(state, _token);
            if (i < 0)
                continue;
            _times.Add(step);
            _bytes += rig.WeightBytes + state.BytesRead - before + 2 * ResidentRows() * layout.RowBytes + 2 * rig.ChosenRows * chosenRowBytes;
        }
    }

    /// <param name="bandwidth">GB/s (10⁹ bytes).</param>
    public DecodeCell ToCell(double bandwidth)
    {
        var times = StepTimes.Median(_times);
        long bytes = _bytes / _times.Count;
        return new DecodeCell(
            depth, state.Policy.Name, Round(times.Total), Round(times.Weights), Round(times.Select), Round(times.Attend), Round(times.Other), Round(_times.Min(step => step.Total)),
            bytes, Round(bytes / bandwidth / 1e6), ResidentBytes, state.IndexBytes, state.Store.Bytes, Math.Round(buildSeconds, 1));
    }

    public void Dispose() => state.Dispose();

    /// <summary>Rows that the last step attended to anyway, all layers and KV heads together.</summary>
    private long ResidentRows()
    {
        long rows = 0;
        for (int layer = 0; layer < state.Store.Layout.Layers; layer++)
        {
            rows += rig.Config.LayerKinds[layer].SlidingWindow is { } window
                ? Math.Min(state.Length, window)
                : state.Length - (state.SearchedEnd(layer, state.Length) - Math.Min(state.Policy.Sinks, state.Length));
        }
        return rows * state.Store.Layout.KvHeads;
    }

    private static double Round(double milliseconds) => Math.Round(milliseconds, 3);
}
