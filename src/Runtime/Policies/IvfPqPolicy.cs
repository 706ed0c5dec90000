using System.Text.Json.Serialization;
using Retrieval.Index;

namespace Retrieval.Runtime.Policies;

/// <summary>
/// Estimates every far token and reads exactly those that matter: lists → codes → keys → values (<see cref="Cascade"/>).
/// Per layer and KV head, segments of the far tokens are clustered into lists in the metric of the prompt's own queries, and
/// what a list's centre leaves over is kept as 4-bit codes. Budgets grow with the number of tokens n as
/// share · n between a least and a most.
/// </summary>
/// <remarks>
/// Ours; the parts are known: inverted lists with product quantisation (Jégou et al., 2011), the query metric of A²ATS
/// (arXiv 2502.12665), an estimate for what is not read as in RetroInfer (arXiv 2505.02922). docs/log.md has what was measured.
/// </remarks>
public sealed record IvfPqPolicy : RetrievalPolicy
{
    /// <summary>Fewest rows that are worth an index; fewer are attended to exactly.</summary>
    public const int SmallestSegment = 1024;

    // Tokens whose codes a token of a prompt reads where lists say little. Measured on recall-nano at 131,072 tokens, among
    // 50 facts of a kind: with 16,384 or 32,768 some of the cells of the needle table have an answer less than after exact prefill, with 49,152 none has.
    private const int SharpOpen = 49152;

    // Lists to choose from for each that can be opened, however large a budget is.
    private const int ListsPerOpened = 4;

    // A vector of lists. Small segments can be searched soon after their last token; large ones cluster a little better and cost a step less.
    private const int FewestLists = 16;

    /// <summary>Tokens of a list on average; default 64, twice as many from 196,608 tokens on and four times from 393,216 on.</summary>
    public int RowsPerList { get; init; } = 64;

    /// <summary>
    /// Lists that a step scores one by one where there are more than twice as many (and more than 1,024); of the others the groups of sixteen that they are in.
    /// At least four for each list that can be opened. Not for sharp heads or with an error target. Default 1,024.
    /// </summary>
    public int ListsMost { get; init; } = 1024;

    /// <summary>Share of the tokens whose codes are read; default 0.5.</summary>
    public double OpenShare { get; init; } = 0.5;

    /// <summary>Most tokens whose codes are read; default 8,192.</summary>
    public int OpenMost { get; init; } = 8192;

    /// <summary>Share of the tokens whose keys are read; default 1/16.</summary>
    public double KeyShare { get; init; } = 1 / 16.0;

    /// <summary>Most tokens whose keys are read; default 768.</summary>
    public int KeysMost { get; init; } = 768;

    /// <summary>Share of the tokens whose values are read; default 1/24.</summary>
    public double ValueShare { get; init; } = 1 / 24.0;

    /// <summary>Most tokens whose values are read; default 512.</summary>
    public int ValuesMost { get; init; } = 512;

    /// <summary>Most tokens whose codes are read of a head so sharp that its lists say little; default all.</summary>
    public int SharpOpenMost { get; init; } = int.MaxValue;

    /// <summary>Share of the attention, summed over a group's queries, that a list must promise for its codes to be read; default 0.0003.</summary>
    public double ListShare { get; init; } = 3e-4;

    /// <summary>Share of the attention, summed over a group's queries, that a token must promise for its key and value to be read; default 0.0001.</summary>
    public double RowShare { get; init; } = 1e-4;

    /// <summary>
    /// If above 0: budgets adapt to each head and query so that 95 of 100 outputs of a head err by less than this, |o − o_full| / |o_full|,
    /// as far as the prompt's latest queries tell; the shares above do not matter then. Default 0: fixed budgets.
    /// </summary>
    public double MaxError { get; init; }

    /// <summary>
    /// Tokens at the beginning of a context that are read with exact attention; those after them search the far tokens as a decode
    /// step does, with budgets of their own. Default 8,192; <see cref="int.MaxValue"/>: all.
    /// </summary>
    public int DensePrefill { get; init; } = 8192;

    /// <summary>
    /// Tokens at the end of each piece of text that read as much as a decode step; default 256. That is where questions stand, and
    /// a question that is put to a text that was read before is short.
    /// </summary>
    public int CarefulPrefill { get; init; } = 256;

    /// <summary>Most tokens whose codes a token of a prompt reads; default 4,096.</summary>
    public int PrefillOpenMost { get; init; } = 4096;

    /// <summary>Most tokens whose keys and values a token of a prompt reads; default 128.</summary>
    public int PrefillRowsMost { get; init; } = 128;

    /// <summary>Share of the attention, summed over a group's queries, that a list must promise for its codes to be read; default 0.0008.</summary>
    public double PrefillListShare { get; init; } = 8e-4;

    /// <summary>Share of the attention, summed over a group's queries, that a token must promise for its key and value to be read; default 0.00015.</summary>
    public double PrefillRowShare { get; init; } = 1.5e-4;

    /// <summary>
    /// Whether queries meet far tokens where they stand or all at one distance, for texts longer than the model was trained for;
    /// default <see cref="FarPositions.Rope"/>.
    /// </summary>
    public FarPositions Positions { get; init; }

    [JsonIgnore]
    public override string Name => "ivf-pq";

    /// <summary>How an index over so many rows is built: lists grow with its length, so that scoring all of them stays a small part of a step.</summary>
    internal IvfPqOptions IndexOf(int rows)
    {
        int segment = rows <= 65_536 ? 2048 : rows <= 393_216 ? 4096 : 8192, most = IvfPqOptions.MostSegmentRows;
        // Until a segment is whole its tokens are met where they stand, which must stay within what the model was trained for.
        if (Positions == FarPositions.Clamped)
            segment = most = 2048;
        int perList = (int)Math.Min((long)RowsPerList * (rows <= 196_608 ? 1 : rows <= 393_216 ? 2 : 4), most / FewestLists);
        return new() { RowsPerList = perList, SegmentRows = Math.Max(FewestLists * perList, segment) };
    }

    public override void Validate()
    {
        base.Validate();
        Positive(RowsPerList, "rows of a list");
        Positive(ListsMost, "most lists that are scored");
        Positive(OpenMost, "most tokens whose codes are read");
        Positive(SharpOpenMost, "most tokens whose codes are read of a sharp head");
        Positive(KeysMost, "most tokens whose keys are read");
        Positive(ValuesMost, "most tokens whose values are read");
        Positive(PrefillOpenMost, "most tokens whose codes a token of a prompt reads");
        Positive(PrefillRowsMost, "most tokens that a token of a prompt reads");
        if (CarefulPrefill < 0)
            throw new InputException($"The number of tokens at the end of a prompt that read as much as a decode step is {CarefulPrefill}; it must be at least 0.");
        if (!(ListShare is >= 0 and < 1) || !(RowShare is >= 0 and < 1))
            throw new InputException($"The shares that lists and tokens must promise are {ListShare} and {RowShare}; they must be at least 0 and below 1.");
        if (!(PrefillListShare is >= 0 and < 1) || !(PrefillRowShare is >= 0 and < 1))
            throw new InputException($"The shares that lists and tokens must promise in prefill are {PrefillListShare} and {PrefillRowShare}; they must be at least 0 and below 1.");
        if (DensePrefill < 0)
            throw new InputException($"The number of tokens to read with exact attention is {DensePrefill}; it must be at least 0.");
        Share(OpenShare, "codes");
        Share(KeyShare, "keys");
        Share(ValueShare, "values");
        if (Positions == FarPositions.Clamped && MaxError > 0)
            throw new InputException($"The error target {MaxError} cannot be kept with clamped positions, where it is not known what attention to all tokens gives; leave one of them out.");
        if (Positions == FarPositions.Clamped && DensePrefill == int.MaxValue)
            throw new InputException("Prompts cannot be read with exact attention under clamped positions, which only indexed tokens have; leave one of them out.");
        if (!(MaxError is >= 0 and < 1))
            throw new InputException($"The error target is {MaxError}; it must be at least 0 (fixed budgets) and below 1, such as 0.02.");
    }

    /// <summary>What a step reads of so many indexed tokens, for each KV head.</summary>
    public CascadeBudget Budget(int rows)
    {
        int opened = Part(rows, OpenShare, OpenMost);
        return MaxError > 0
            ? CascadeBudget.ForError((float)MaxError) with { OpenedIfSharp = SharpOpenMost }
            : new(opened, Part(rows, KeyShare, KeysMost), Part(rows, ValueShare, ValuesMost))
            {
                OpenedIfSharp = SharpOpenMost,
                Lists = (int)Math.Min(Math.Max((long)ListsPerOpened * opened / RowsPerList, ListsMost), int.MaxValue),
                ListShare = (float)ListShare,
                RowShare = (float)RowShare,
            };
    }

    /// <summary>What a token of a prompt reads, for each KV head.</summary>
    internal BlockBudget PrefillBudget => new(PrefillOpenMost, PrefillRowsMost, (float)PrefillListShare, (float)PrefillRowShare) { OpenedIfSharp = Math.Max(PrefillOpenMost, SharpOpen) };

    /// <summary>What a token at the end of a prompt reads: keys as a decode step does, and their values.</summary>
    internal BlockBudget CarefulBudget(int rows) => new(Part(rows, OpenShare, OpenMost), Part(rows, KeyShare, KeysMost), 0, 0) { OpenedIfSharp = SharpOpenMost };

    internal override ITokenSelector CreateSelector(LayerContext layer) => new IvfPqSelector(this, layer);

    internal override bool PacksRows => true;

    internal override ITokenSelector? ForkSelector(ITokenSelector source, LayerContext layer)
        => source is IvfPqSelector selector && selector.Policy.RowsPerList == RowsPerList ? selector.Fork(this, layer) : null;

    private static int Part(int rows, double share, int most) => (int)Math.Clamp(Math.Ceiling(share * rows), 1, most);

    private static void Positive(int value, string what)
    {
        if (value < 1)
            throw new InputException($"The number of {what} is {value}; it must be at least 1.");
    }

    private static void Share(double value, string what)
    {
        if (!(value is > 0 and <= 1))
            throw new InputException($"The share of tokens whose {what} are read is {value}; it must be above 0 and at most 1.");
    }
}
