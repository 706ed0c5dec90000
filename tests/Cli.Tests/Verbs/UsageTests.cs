namespace Retrieval.Cli.Tests.Verbs;

/// <summary>A wrong command line: exit code 2 and one sentence that says what is wrong.</summary>
public sealed class UsageTests
{
    [Theory]
    [InlineData("'--foo'", "run", "--foo")]
    [InlineData("'bogus'", "bogus")]
    [InlineData("'extra'", "show", "extra")]
    [InlineData("--max-tokens is 'x' but must be a whole number", "run", "-p", "hi", "-n", "x")]
    [InlineData("--max-tokens is '0'", "run", "-p", "hi", "-n", "0")]
    [InlineData("--ctx-size is '12q' but must be a number of tokens such as 8192, 128k or 1m", "run", "-p", "hi", "-c", "12q")]
    [InlineData("--policy is 'nope' but must be one of ivf-pq, full, streaming, exact", "run", "-p", "hi", "--policy", "nope")]
    [InlineData("--budget is 5 but the policy 'full' has no budget", "run", "-p", "hi", "--budget", "5")]
    [InlineData("--kv-dtype is 'q8_0' but must be one of f16", "run", "-p", "hi", "--kv-dtype", "q8_0")]
    [InlineData("--override-config is 'nonsense' but must be KEY=VALUE", "show", "--override-config", "nonsense")]
    [InlineData("belong together", "show", "--rope-scaling", "yarn")]
    [InlineData("--facts is '99'", "demo", "--facts", "99")]
    [InlineData("There is no prompt", "run")]
    [InlineData("chat needs for your questions", "chat", "-f", "-")]
    public void Wrong_arguments_are_named(string message, params string[] arguments)
    {
        RetrievalProcess run = RetrievalProcess.Run(arguments);

        Assert.Equal(ExitCode.Usage, run.ExitCode);
        Assert.Contains(message, run.Error);
        Assert.StartsWith("retrieval: ", run.Error);
        Assert.Single(run.Error.TrimEnd().Split('\n'));
        Assert.Empty(run.Output);
    }

    [Fact]
    public void A_variable_is_read_like_its_flag()
    {
        RetrievalProcess run = RetrievalProcess.RunWith("", new Dictionary<string, string> { ["RETRIEVAL_MAX_TOKENS"] = "many" }, "run", "-p", "hi");

        Assert.Equal(ExitCode.Usage, run.ExitCode);
        Assert.Contains("RETRIEVAL_MAX_TOKENS is 'many'", run.Error);
    }

    [Fact]
    public void A_flag_wins_over_its_variable()
    {
        RetrievalProcess run = RetrievalProcess.RunWith("", new Dictionary<string, string> { ["RETRIEVAL_CTX_SIZE"] = "nonsense" }, "run", "-c", "8k", "-p", "");

        Assert.Equal(ExitCode.Error, run.ExitCode);
        Assert.Contains("The prompt is empty", run.Error);
    }

    [Fact]
    public void Help_lists_the_verbs()
    {
        RetrievalProcess run = RetrievalProcess.Run("--help");

        Assert.Equal(ExitCode.Success, run.ExitCode);
        Assert.All(["run", "chat", "demo", "tokenize", "show", "doctor"], verb => Assert.Contains($"  {verb} ", run.Output));
    }

    [Fact]
    public void An_at_sign_is_no_response_file()
    {
        RetrievalProcess run = RetrievalProcess.Run("run", "-p", "@nothing", "-m", "/no/such/model");

        Assert.Equal(ExitCode.Error, run.ExitCode);
        Assert.Contains("/no/such/model", run.Error);
    }
}
