using System.CommandLine;
using Retrieval.Runtime.Policies;

namespace Retrieval.Cli.Flags;

/// <summary>Which tokens a decode step reads.</summary>
internal sealed class PolicyFlags(string fallback)
{
    private readonly Option<string> _policy = Flag.Choice("--policy", [], "What a decode step reads beside sinks and window", fallback,
        [.. RetrievalPolicy.Names.Select(name => (name, name))]);

    private readonly Option<int?> _sinks = Flag.Of<int?>("--sink-tokens", [], "First tokens that are always read (default 64)", null, value => Numbers.Int(value, 0));
    private readonly Option<int?> _window = Flag.Of<int?>("--local-window", [], "Most recent tokens that are always read (default 512)", null, value => Numbers.Tokens(value));
    private readonly Option<int?> _budget = Flag.Of<int?>("--budget", [], "Tokens that a retrieval policy reads for each KV head (default 2048)", null, value => Numbers.Tokens(value));

    public void AddTo(Command command)
    {
        foreach (Option option in new Option[] { _policy, _sinks, _window, _budget })
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
        {
            policy = policy is ExactPolicy exact
                ? exact with { Budget = budget }
                : throw new UsageException($"--budget is {budget} but the policy '{policy.Name}' has no budget; use --policy exact or leave it out.");
        }
        UsageException.Check(policy.Validate);
        return policy;
    }
}
