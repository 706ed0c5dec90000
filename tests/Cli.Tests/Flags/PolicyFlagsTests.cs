using System.CommandLine;
using Retrieval.Cli.Flags;
using Retrieval.Runtime.Policies;

namespace Retrieval.Cli.Tests.Flags;

public sealed class PolicyFlagsTests
{
    [Fact]
    public void Without_flags_it_is_the_default_of_the_library() => Assert.Equal(new IvfPqPolicy(), Read());

    [Fact]
    public void A_budget_of_ivf_pq_is_a_plain_count()
    {
        var policy = Assert.IsType<IvfPqPolicy>(Read("--budget", "300"));

        Assert.Equal(new Index.CascadeBudget(3000, 300, 200) { Lists = policy.ListsMost }, policy.Budget(1 << 20));
        Assert.Equal(new Index.CascadeBudget(250, 250, 200) { Lists = policy.ListsMost }, policy.Budget(250));
    }

    [Fact]
    public void The_largest_budget_does_not_overflow()
    {
        var policy = Assert.IsType<IvfPqPolicy>(Read("--budget", "2147483647"));

        Assert.Equal(new Index.CascadeBudget(int.MaxValue, int.MaxValue, 1431655765), policy.Budget(int.MaxValue) with { Lists = int.MaxValue });
    }

    [Fact]
    public void A_budget_of_exact_is_its_own() => Assert.Equal(new ExactPolicy { Budget = 4096 }, Read("--policy", "exact", "--budget", "4k"));

    [Fact]
    public void Sinks_and_window_belong_to_every_policy()
        => Assert.All(RetrievalPolicy.Names, name => Assert.Equal(RetrievalPolicy.FromName(name) with { Sinks = 4, Window = 1024 }, Read("--policy", name, "--sink-tokens", "4", "--local-window", "1k")));

    [Fact]
    public void Descriptions_name_what_differs()
    {
        Assert.Equal("ivf-pq", PolicyText.Describe(Read()));
        Assert.Equal("ivf-pq, rows_per_list 32, max_error 0.02", PolicyText.Describe(Read("--max-error", "0.02", "--rows-per-list", "32")));
        Assert.Equal("exact, budget 100", PolicyText.Describe(Read("--policy", "exact", "--budget", "100")));
    }

    [Fact]
    public void Clamped_positions_have_a_longer_window()
    {
        Assert.Equal(new IvfPqPolicy { Positions = FarPositions.Clamped, Window = 4096 }, Read("--positions", "clamped"));
        Assert.Equal(new IvfPqPolicy { Positions = FarPositions.Clamped, Window = 1024 }, Read("--positions", "clamped", "--local-window", "1k"));
        Assert.Equal(new IvfPqPolicy(), Read("--positions", "rope"));
    }

    [Theory]
    [InlineData("The policy 'full' has no index, so it cannot clamp the positions of far tokens; use --policy ivf-pq, or leave --positions out.", "--policy", "full")]
    [InlineData("Prompts cannot be read with exact attention under clamped positions, which only indexed tokens have; leave one of them out.", "--prefill", "exact")]
    [InlineData("The error target 0.02 cannot be kept with clamped positions, where it is not known what attention to all tokens gives; leave one of them out.", "--max-error", "0.02")]
    public void Clamped_positions_need_an_index(string message, params string[] others)
        => Assert.Equal(message, Assert.Throws<UsageException>(() => Read(["--positions", "clamped", .. others])).Message);

    private static RetrievalPolicy Read(params string[] arguments)
    {
        var flags = new PolicyFlags();
        var command = new RootCommand();
        flags.AddTo(command);
        ParseResult parsed = command.Parse(arguments);
        Assert.Empty(parsed.Errors);
        return flags.Read(parsed);
    }
}
