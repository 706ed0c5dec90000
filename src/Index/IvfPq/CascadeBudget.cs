namespace Retrieval.Index;

/// <summary>How much each level of the cascade reads for one KV head, at most.</summary>
/// <param name="Opened">Rows in the lists whose codes are read.</param>
/// <param name="Keys">Rows whose keys are read.</param>
/// <param name="Values">Rows whose values are read.</param>
public readonly record struct CascadeBudget(int Opened, int Keys, int Values)
{
    /// <summary>
    /// Lists that are scored one by one, where there are more than twice as many; the rest are estimated by groups of sixteen
    /// (<see cref="ListGroups"/>). Default: all. Not for sharp heads or with an error target.
    /// </summary>
    public int Lists { get; init; } = int.MaxValue;

    /// <summary>If above 0: read no more than keeps the expected relative error of each head's output below this.</summary>
    public float MaxError { get; init; }

    /// <summary>Rows in the lists whose codes are read where lists say little; default: all.</summary>
    public int OpenedIfSharp { get; init; } = int.MaxValue;

    /// <summary>Share of the attention, summed over the group, from which on a list is worth opening; default 0. Not for sharp heads.</summary>
    public float ListShare { get; init; }

    /// <summary>Share of the attention, summed over the group, from which on a row is worth reading; default 0. Not for sharp heads, whose codes err too much.</summary>
    public float RowShare { get; init; }

    /// <summary>Share of their weight that rows lose that have less than <see cref="Promises.Loud"/> of the attention; default 0.</summary>
    public float QuietDiscount { get; init; }

    /// <summary>Weights of all opened rows are kept, however many: tests compare with it.</summary>
    internal bool WeighAll { get; init; }

    /// <summary>Weight from which on a row of a head is worth reading.</summary>
    internal float LeastWeight(IvfPqCodec codec) => codec.Sharp ? 0 : RowShare;

    /// <summary>No bound: the error target alone decides.</summary>
    public static CascadeBudget ForError(float maxError) => new(int.MaxValue, int.MaxValue, int.MaxValue) { MaxError = maxError };
}

/// <summary>What a cascade read, in bytes.</summary>
public readonly record struct CascadeBytes(long Lists, long Codes, long Keys, long Values)
{
    public long Total => Lists + Codes + Keys + Values;
}
