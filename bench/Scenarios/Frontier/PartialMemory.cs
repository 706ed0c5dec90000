using Retrieval.Offload;

namespace Retrieval.Scenarios.Frontier;

/// <summary>An attention partial and the memory that it stands in.</summary>
internal sealed unsafe class PartialMemory
{
    // Pinned: kernels take addresses.
    private readonly float[] _memory;

    public PartialMemory(int heads, int dim)
    {
        _memory = GC.AllocateArray<float>(AttentionPartial.Floats(heads, dim), pinned: true);
        Partial = new AttentionPartial((float*)System.Runtime.CompilerServices.Unsafe.AsPointer(ref _memory[0]), heads, dim);
        Partial.Clear();
    }

    /// <summary>Valid while this object is reachable.</summary>
    public AttentionPartial Partial { get; }
}
