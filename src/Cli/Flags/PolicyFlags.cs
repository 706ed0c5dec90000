using System.CommandLine;
using System.Globalization;
using Retrieval.Runtime.Policies;

namespace Retrieval.Cli.Flags;

/// <summary>Which tokens a decode step reads.</summary>
internal sealed class PolicyFlags
{
    private static readonly IvfPqPolicy Default = new();

    // What ivf-pq reads beside B keys, about as it does by default: codes of 10 B tokens, values of 2/3 B.
    private const int CodesPerKey = 10;
    private const double ValuesPerKey = 2 / 3.0;

    /// <summary>Default window under clamped positions: half of what small models are trained for; measured in docs/positions.md.</summary>
    public const int ClampedWindow = 4096;

    private const string PrefillFlag = "--prefill";

    private readonly Option<string> _policy = Flag.Choice("--policy", [], $"What a decode step reads beside sinks and window; default {Default.Name}", Default.Name,
        [.. RetrievalPolicy.Names.Select(name => (name, name))]);

    private readonly Option<int?> _sinks = Flag.Of<int?>("--sink-tokens", [], $"First tokens that are always read (default {Default.Sinks})", null, value => Numbers.Int(value, 0));
    private readonly Option<int?> _window = Flag.Of<int?>("--local-window", [], $"Most recent tokens that are always read (default {Default.Window}; with --positions clamped {ClampedWindow})", null, value => Numbers.Tokens(value));
    private readonly Option<int?> _budget = Flag.Of<int?>("--budget", [],
        $"Tokens that are read for each KV head. exact: their keys and values (default {new ExactPolicy().Budget:#,0}). ivf-pq: their keys, the values of 2/3 of them, the codes of {CodesPerKey} times as many (default: a share of the context, at most {Default.KeysMost} keys)",
        null, value => Count(value));
    private readonly Option<double?> _error = Flag.Of<double?>("--max-error", [],
        "ivf-pq: read what keeps the relative error of 95 of 100 outputs of a head below this, such as 0.02, judged by the prompt's latest queries (default: off, budgets are fixed)", null, value => Share(value));
    private readonly Option<int?> _list = Flag.Of<int?>("--rows-per-list", [],
        $"ivf-pq: tokens of a list on average; fewer are more accurate and more to read (default {Default.RowsPerList})", null, value => Numbers.Int(value, 1));

    private readonly Option<PrefillMode?> _prefill = Flag.Choice<PrefillMode?>(PrefillFlag, [],
        "How prompts are read. exact: every token attends to all before it. sparse: tokens beyond --dense-prefill search the index, as decode does. auto: sparse where the policy has an index and the device is the CPU; default auto", null,
        ("auto", PrefillMode.Auto), ("exact", PrefillMode.Exact), ("sparse", PrefillMode.Sparse));

    private readonly Option<int?> _dense = Flag.Of<int?>("--dense-prefill", [],
        $"Tokens at the beginning of a prompt that are read with exact attention (default {Default.DensePrefill:#,0})", null, value => Numbers.Tokens(value));

    private readonly Option<FarPositions?> _positions = Flag.Choice<FarPositions?>("--positions", [],
        "Where queries meet tokens before the window. rope: where they stand. clamped: all at one distance, for texts longer than the model was trained for (ivf-pq on the CPU); default rope", null,
        ("rope", FarPositions.Rope), ("clamped", FarPositions.Clamped));

    public void AddTo(Command command)
    {
        foreach (Option option in new Option[] { _policy, _sinks, _window, _budget, _error, _list, _prefill, _dense, _positions })
            command.Options.Add(option);
    }

    public RetrievalPolicy Read(ParseResult parsed)
    {
        RetrievalPolicy policy = RetrievalPolicy.FromName(parsed.GetValue(_policy)!);
        if (parsed.GetValue(_sinks) is int sinks)
            policy = policy with { Sinks = sinks };
        if (parsed.GetValue(_window) is int window)
            policy = policy with { Window = window };
        if (parsed.GetValue(_budget) is int budget)
            policy = WithBudget(policy, budget);
        if (parsed.GetValue(_error) is double error)
        {
            if (parsed.GetValue(_budget) is not null)
                throw new UsageException("--max-error and --budget exclude each other: an error target decides itself how much is read; give one of them.");
            policy = IvfPq(policy, "--max-error", error, "error target") with { MaxError = error };
        }
        if (parsed.GetValue(_list) is int rows)
            policy = IvfPq(policy, "--rows-per-list", rows, "lists") with { RowsPerList = rows };
        if (parsed.GetValue(_positions) == FarPositions.Clamped)
        {
            if (policy is not IvfPqPolicy own)
                throw new UsageException($"The policy '{policy.Name}' has no index, so it cannot clamp the positions of far tokens; use --policy ivf-pq, or leave --positions out.");
            policy = own with { Positions = FarPositions.Clamped, Window = parsed.GetValue(_window) ?? ClampedWindow };
        }
        policy = WithPrefill(policy, parsed.GetValue(_prefill) ?? PrefillMode.Auto, parsed.GetValue(_dense));
        UsageException.Check(policy.Validate);
        return policy;
    }

    /// <summary>Does the command line insist on sparse prefill?</summary>
    public static bool WantsSparsePrefill(ParseResult parsed) => parsed.GetResult(PrefillFlag) is not null && parsed.GetValue<PrefillMode?>(PrefillFlag) == PrefillMode.Sparse;

    private static RetrievalPolicy WithPrefill(RetrievalPolicy policy, PrefillMode mode, int? dense)
    {
        if (dense is not null && mode == PrefillMode.Exact)
            throw new UsageException($"--dense-prefill is {dense} but --prefill exact reads all tokens so; leave one of them out.");
        if (policy is not IvfPqPolicy own)
        {
            return dense is null && mode != PrefillMode.Sparse ? policy
                : throw new UsageException($"The policy '{policy.Name}' has no index, so its prompts are read with exact attention; use --policy ivf-pq, or leave --prefill sparse and --dense-prefill out.");
        }
        return own with { DensePrefill = mode == PrefillMode.Exact ? int.MaxValue : dense ?? own.DensePrefill };
    }

    private static RetrievalPolicy WithBudget(RetrievalPolicy policy, int budget) => policy switch
    {
        ExactPolicy exact => exact with { Budget = budget },
        // Plain counts: no share of the context stands before them.
        IvfPqPolicy own => own with
        {
            OpenShare = 1,
            OpenMost = (int)Math.Min((long)CodesPerKey * budget, int.MaxValue),
            KeyShare = 1,
            KeysMost = budget,
            ValueShare = 1,
            ValuesMost = (int)Math.Ceiling(ValuesPerKey * budget),
            ListShare = 0,
            RowShare = 0,
        },
        _ => throw new UsageException($"--budget is {budget} but the policy '{policy.Name}' has no budget; use --policy ivf-pq or exact, or leave it out."),
    };

    private static IvfPqPolicy IvfPq(RetrievalPolicy policy, string flag, double value, string what) => policy as IvfPqPolicy
        ?? throw new UsageException(string.Create(CultureInfo.InvariantCulture, $"{flag} is {value} but the policy '{policy.Name}' has no {what}; use --policy ivf-pq or leave it out."));

    private static int Count(string value) => Numbers.Tokens(value) is > 0 and int count ? count : throw new FormatException("a number of tokens, 1 or more, such as 2048 or 4k");

    private static double Share(string value) =>
        double.TryParse(value, NumberStyles.Float, CultureInfo.InvariantCulture, out double number) && number is > 0 and < 1
            ? number
            : throw new FormatException("a relative error above 0 and below 1, such as 0.02");

    private enum PrefillMode
    {
        Auto,
        Exact,
        Sparse,
    }
}
