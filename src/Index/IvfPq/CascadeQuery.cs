namespace Retrieval.Index;

/// <summary>What one <see cref="Cascade"/> is asked: one token's queries at the index of one KV head. The memory must not move until it has answered.</summary>
public readonly unsafe struct CascadeQuery
{
    public required IvfPqIndex Index { get; init; }

    /// <summary>The packed rows of each segment of the index.</summary>
    public required PackedRows[] Rows { get; init; }

    public required CascadeBudget Budget { get; init; }

    /// <summary>Query heads.</summary>
    public required int Group { get; init; }

    /// <summary>[group, dim], scaled so that a dot product is a logit.</summary>
    public required float* Queries { get; init; }

    /// <summary>[group, dim]: attention over what is read anyway, which decides what else is worth reading.</summary>
    public required float* ResidentOutput { get; init; }

    /// <summary>[group]</summary>
    public required float* ResidentLogSumExp { get; init; }

    /// <summary>[group, dim], receives the attention over all rows of the index.</summary>
    public required float* Output { get; init; }

    /// <summary>[group], receives its normaliser.</summary>
    public required float* LogSumExp { get; init; }

    internal IvfPqCodec Codec => Index.Codec;

    internal bool Targeted => Budget.MaxError > 0;

    internal ResidentAttention Resident => new(new ReadOnlySpan<float>(ResidentOutput, Group * Codec.Dim), new ReadOnlySpan<float>(ResidentLogSumExp, Group));
}
