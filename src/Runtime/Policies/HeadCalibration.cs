using System.Numerics.Tensors;
using Retrieval.Index;
using Retrieval.Offload;

namespace Retrieval.Runtime.Policies;

/// <summary>
/// Exact attention of a prompt's latest queries, which stand after all rows that are indexed, and what it says about error
/// targets. Taken from the store before its rows are packed, so that rounding counts as an error too.
/// </summary>
internal sealed unsafe class HeadCalibration
{
    // Fewer queries say little about one in twenty of them.
    private const int FewestSamples = 8;

    // On real heads the estimate was two to eight times too low: the safe end for those that cannot be calibrated.
    private const float Uncalibrated = 1 / 8f;

    private readonly ErrorCalibration _errors;
    private int _samples;

    public HeadCalibration(LayerContext layer, int head, PromptQueries queries, int indexedEnd)
    {
        int dim = layer.Store.Layout.HeadDim, width = layer.Group * dim, floats = AttentionPartial.Floats(layer.Group, dim);
        _errors = new ErrorCalibration(dim);
        float[] memory = GC.AllocateArray<float>(3 * floats + width, pinned: true);
        var scaled = (float*)System.Runtime.CompilerServices.Unsafe.AsPointer(ref memory[3 * floats]);
        AttentionPartial resident = Partial(0), window = Partial(1), far = Partial(2);
        foreach (PromptQueries.Latest latest in queries.LatestQueries.Where(latest => latest.Position >= indexedEnd))
        {
            TensorPrimitives.Multiply(latest.Queries.AsSpan(head * width, width), 1 / MathF.Sqrt(dim), new Span<float>(scaled, width));
            HostAttention.Attend(layer.Store, layer.Layer, head, 0, layer.Sinks, scaled, resident);
            HostAttention.Attend(layer.Store, layer.Layer, head, indexedEnd, latest.Position + 1, scaled, window);
            resident.Merge(window);
            HostAttention.Attend(layer.Store, layer.Layer, head, layer.Sinks, indexedEnd, scaled, far);
            far.Merge(resident);
            _errors.Add(new ReadOnlySpan<float>(scaled, width), Resident(resident), new ReadOnlySpan<float>(far.Output, width));
            _samples++;
        }
        GC.KeepAlive(memory);

        AttentionPartial Partial(int i) => new((float*)System.Runtime.CompilerServices.Unsafe.AsPointer(ref memory[i * floats]), layer.Group, dim);
    }

    /// <summary>What a cascade must be told so that the head's true errors keep to a target.</summary>
    public float Find(Cascade cascade, IvfPqIndex index, PackedRows[] rows, CascadeBudget budget)
        => _samples < FewestSamples ? WithoutSamples(budget.MaxError) : _errors.Find(cascade, index, rows, budget);

    /// <summary>What a cascade is told where no query's exact attention is known.</summary>
    public static float WithoutSamples(float target) => target * Uncalibrated;

    /// <summary>A partial as a cascade takes it.</summary>
    public static ResidentAttention Resident(AttentionPartial partial) => new(
        new ReadOnlySpan<float>(partial.Output, partial.Heads * partial.Dim), new ReadOnlySpan<float>(partial.LogSumExp, partial.Heads));
}
