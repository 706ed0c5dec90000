using System.Diagnostics;
using Retrieval.Offload;
using Retrieval.Runtime;
using Retrieval.Runtime.Policies;

namespace Retrieval.Scenarios.Decoding;

/// <summary>
/// Measures the cells of a policy in turns, a few steps each: shared machines are faster and slower by turns of a minute, and every
/// cell should have its share of both.
/// </summary>
/// <param name="generate">Steps of a generation that are all timed, after those that are measured; 0: none.</param>
/// <param name="bandwidth">Of reading from memory, in GB/s (10⁹ bytes).</param>
internal sealed class DecodeMeasurement(DecodeRig rig, double bandwidth, int steps, int generate, TextWriter log)
{
    private const int LayersBetweenLines = 10;
    private const int Turns = 10;

    // Runs of the same generation.
    private const int GenerationRuns = 3;

    // Of the process before there are any rows.
    private readonly long _residentBytes = Environment.WorkingSet;
    private readonly SyntheticKv _synthetic = new(rig.Config, rig.Sample(seed: 1));

    /// <summary>Generations, one for each cell.</summary>
    public List<GenerationCell> Generations { get; } = [];

    /// <summary>
    /// A <see cref="DecodeCell"/> for each depth, or a <see cref="RefusedCell"/> if its memory does not fit. Depths that fit beside each
    /// other are measured in turns.
    /// </summary>
    public IReadOnlyList<object> Measure(IEnumerable<int> depths, RetrievalPolicy policy)
    {
        var cells = new List<object>();
        var together = new List<DecodeTurns>();
        try
        {
            foreach (int depth in depths)
            {
                DecodeTurns? turns = TryFill(depth, policy, out string problem);
                if (turns is null && together.Count > 0)
                {
                    cells.AddRange(Finish(together));
                    turns = TryFill(depth, policy, out problem);
                }
                if (turns is not null)
                {
                    together.Add(turns);
                    continue;
                }
                log.WriteLine($"refused: {problem}");
                cells.Add(new RefusedCell(depth, policy.Name, problem));
            }
            cells.AddRange(Finish(together));
        }
        finally
        {
            together.ForEach(turns => turns.Dispose());
        }
        return cells;
    }

    /// <returns>Null: it does not fit beside what is there, for the reason given.</returns>
    private DecodeTurns? TryFill(int depth, RetrievalPolicy policy, out string problem)
    {
        GC.Collect();
        problem = "";
        SequenceState state = rig.NewState(policy);
        try
        {
            HostMemory.Demand(BytesNeeded(state.Store.Layout, policy, depth), $"'{policy.Name}' at {depth:N0} tokens");
        }
        catch (InsufficientMemoryException reason)
        {
            state.Dispose();
            problem = reason.Message;
            return null;
        }
        try
        {
            return Fill(state, depth);
        }
        catch
        {
            state.Dispose();
            throw;
        }
    }

    private DecodeTurns Fill(SequenceState state, int depth)
    {
        long begin = Stopwatch.GetTimestamp(), before = Environment.WorkingSet;
        _synthetic.Fill(state, depth, layer =>
        {
            if (layer % LayersBetweenLines == 0)
                log.WriteLine($"{state.Policy.Name}, {depth:N0} tokens: {layer} of {rig.Config.Layers} layers filled, {Stopwatch.GetElapsedTime(begin).TotalSeconds:0} s");
        });
        var turns = new DecodeTurns(rig, state, depth, Stopwatch.GetElapsedTime(begin).TotalSeconds);
        turns.WarmUp();
        // About: what was freed before is used again.
        turns.ResidentBytes = _residentBytes + Math.Max(0, Environment.WorkingSet - before);
        return turns;
    }

    /// <summary>Measures some depths, and lets go of them.</summary>
    private List<object> Finish(List<DecodeTurns> together)
    {
        for (int turn = 0; turn < Turns; turn++)
        {
            foreach (DecodeTurns turns in together)
                turns.Take((turn + 1) * steps / Turns - turn * steps / Turns);
        }
        var cells = new List<object>();
        foreach (DecodeTurns turns in together)
        {
            DecodeCell cell = turns.ToCell(bandwidth);
            log.WriteLine($"{cell.Policy}, {cell.Depth:N0} tokens: filled in {cell.BuildSeconds:0.0} s, {cell.MsPerToken:0.00} ms/token, fastest {cell.FastestMs:0.00}");
            cells.Add(cell);
            if (generate > 0)
                Generations.Add(Generate(turns.State, turns.Depth));
            turns.Dispose();
        }
        together.Clear();
        return cells;
    }

    private GenerationCell Generate(SequenceState state, int depth)
    {
        var runs = new List<List<StepTimes>>();
        for (int run = 0; run < GenerationRuns; run++)
        {
            state.RewindTo(depth);
            int token = DecodeTurns.FirstToken;
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
}
