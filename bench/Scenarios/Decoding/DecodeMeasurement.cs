using System.Diagnostics;
using Retrieval.Offload;
using Retrieval.Runtime;
using Retrieval.Runtime.Policies;

namespace Retrieval.Scenarios.Decoding;

/// <summary>Measures cells one by one; a state lives only as long as its cell.</summary>
/// <param name="generate">Steps of a generation that are all timed, after those that are measured; 0: none.</param>
/// <param name="bandwidth">Of reading from memory, in GB/s (10⁹ bytes).</param>
internal sealed class DecodeMeasurement(DecodeRig rig, double bandwidth, int steps, int generate, TextWriter log)
{
    private const int LayersBetweenLines = 10;
    private const int FirstToken = 1;

    // Runs of the same generation.
    private const int GenerationRuns = 3;

    // Steps until code is compiled for speed and caches are as they stay.
    private const int WarmUpSteps = 8;
    private static readonly TimeSpan WarmUp = TimeSpan.FromSeconds(1);

    private readonly SyntheticKv _synthetic = new(rig.Config, rig.Sample(seed: 1));

    /// <summary>Generations, one for each cell.</summary>
    public List<GenerationCell> Generations { get; } = [];

    /// <summary>A <see cref="DecodeCell"/>, or a <see cref="RefusedCell"/> if its memory does not fit.</summary>
    public object Measure(int depth, RetrievalPolicy policy)
    {
        GC.Collect();
        using SequenceState state = rig.NewState(policy);
        try
        {
            HostMemory.Demand(BytesNeeded(state.Store.Layout, policy, depth), $"'{policy.Name}' at {depth:N0} tokens");
        }
        catch (InsufficientMemoryException problem)
        {
            log.WriteLine($"refused: {problem.Message}");
            return new RefusedCell(depth, policy.Name, problem.Message);
        }
        long begin = Stopwatch.GetTimestamp();
        _synthetic.Fill(state, depth, layer =>
        {
            if (layer % LayersBetweenLines == 0)
                log.WriteLine($"{policy.Name}, {depth:N0} tokens: {layer} of {rig.Config.Layers} layers filled, {Stopwatch.GetElapsedTime(begin).TotalSeconds:0} s");
        });
        double build = Stopwatch.GetElapsedTime(begin).TotalSeconds;
        (StepTimes times, double fastest, long bytes) = Steps(state, depth);
        log.WriteLine($"{policy.Name}, {depth:N0} tokens: filled in {build:0.0} s, {times.Total:0.00} ms/token, fastest {fastest:0.00}");
        if (generate > 0)
            Generations.Add(Generate(state, depth));
        return new DecodeCell(
            depth, policy.Name, Round(times.Total), Round(times.Weights), Round(times.Select), Round(times.Attend), Round(times.Other), Round(fastest),
            bytes, Round(bytes / bandwidth / 1e6), Environment.WorkingSet, state.IndexBytes, state.Store.Bytes, Math.Round(build, 1));
    }

    private GenerationCell Generate(SequenceState state, int depth)
    {
        var runs = new List<List<StepTimes>>();
        for (int run = 0; run < GenerationRuns; run++)
        {
            state.RewindTo(depth);
            int token = FirstToken;
            var times = new List<StepTimes>();
            for (int i = 0; i < generate; i++)
            {
                (token, StepTimes step) = rig.Step(state, token);
                times.Add(step);
            }
            runs.Add(times);
        }
        var cell = GenerationCell.Of(depth, state.Policy.Name, runs);
        log.WriteLine($"{cell.Policy}, {depth:N0} tokens, {generate:N0} steps: median {cell.MedianMs:0.00}, 99th percentile {cell.P99Ms:0.00}, longest {cell.LongestMs:0.00} ms; by themselves {cell.OwnMedianMs:0.00} and {cell.Longest[0].Ms:0.00} ms");
        return cell;
    }

    private (StepTimes Times, double Fastest, long Bytes) Steps(SequenceState state, int depth)
    {
        int token = FirstToken;
        long begin = Stopwatch.GetTimestamp();
        for (int i = 0; i < WarmUpSteps || Stopwatch.GetElapsedTime(begin) < WarmUp; i++)
            (token, _) = rig.Step(state, token);
        state.RewindTo(depth);

        var times = new List<StepTimes>();
        long before = state.BytesRead, chosen = 0, resident = 0;
        for (int i = 0; i < steps; i++)
        {
            (token, StepTimes step) = rig.Step(state, token);
            times.Add(step);
            chosen += rig.ChosenRows;
            resident += ResidentRows(state);
        }
        KvLayout layout = state.Store.Layout;
        // Rows of a layer that are packed at all are packed where selectors find them.
        long chosenRowBytes = Enumerable.Range(0, layout.Layers).Any(layer => state.Store.Segments(layer).Count > 0) ? layout.PackedRowBytes : layout.RowBytes;
        long bytes = rig.WeightBytes + (state.BytesRead - before + 2 * resident * layout.RowBytes + 2 * chosen * chosenRowBytes) / steps;
        return (StepTimes.Median(times), times.Min(step => step.Total), bytes);
    }

    /// <summary>Rows that the last step attended to anyway, all layers and KV heads together.</summary>
    private long ResidentRows(SequenceState state)
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

    /// <summary>Rows as they stay: 16-bit ones, or packed ones with their index and the 16-bit rows of two layers while they are indexed.</summary>
    private long BytesNeeded(KvLayout layout, RetrievalPolicy policy, int depth)
    {
        long layerRows = layout.TokenBytes / layout.Layers, whole = rig.Config.LayerKinds.Count(kind => kind.SlidingWindow is null);
        if (policy is not IvfPqPolicy)
            return depth * (whole + 1) * layerRows;
        // Lists, order and codes of a row of one head: about 13 bytes at 64 elements.
        long index = layout.HeadDim / 8 + 6;
        return depth * (whole * layout.KvHeads * (2 * layout.PackedRowBytes + index) + 2 * layerRows);
    }

    private static double Round(double milliseconds) => Math.Round(milliseconds, 3);
}
