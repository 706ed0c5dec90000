namespace Retrieval.Offload;

/// <summary>
/// Where the packed keys of a layer stand for queries if not where they stood: all at one position right before the sinks, and
/// those right before the first row that is attended to at its true distance. Packed keys are stored at the origin, and queries
/// turned back to meet them.
/// </summary>
/// <remarks>
/// Clamped distances are ReRoPE's, and InfLLM's (arXiv 2402.04617). That far rows of little attention weigh together no more than as
/// many as the model knows is ours: without it they drown window and sinks as they become more, because none of them is further
/// away than the others. A row that a query attends to in particular keeps its weight (docs/positions.md has what was measured).
/// </remarks>
/// <param name="Rotation">How the layer turns its keys by their positions.</param>
/// <param name="Room">Far rows that the model was trained for, beside its window.</param>
public sealed record FarPlacement(RowRotation Rotation, int Room)
{
    /// <summary>Turns queries back so that they meet sinks and packed keys.</summary>
    /// <param name="queries">[count, dim], after RoPE.</param>
    /// <param name="firstNear">First row behind the packed ones.</param>
    public unsafe void Turn(float* queries, int count, int dim, int sinks, int firstNear) => Rotation.Turn(queries, count, dim, sinks - firstNear);

    /// <summary>Share of their weight that rows lose, of so many, that a query does not attend to in particular: 1 − Room / rows, at least 0.</summary>
    public float QuietDiscount(int rows) => Math.Max(0, 1 - (float)Room / Math.Max(rows, 1));
}
