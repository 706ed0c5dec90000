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
    [InlineData("--budget is 5 but the policy 'full' has no budget", "run", "-p", "hi", "--policy", "full", "--budget", "5")]
    [InlineData("use --policy ivf-pq or exact, or leave it out", "run", "-p", "hi", "--policy", "streaming", "--budget", "5")]
    [InlineData("--budget is '0' but must be a number of tokens, 1 or more", "run", "-p", "hi", "--budget", "0")]
    [InlineData("--max-error is 0.05 but the policy 'exact' has no error target; use --policy ivf-pq or leave it out", "run", "-p", "hi", "--policy", "exact", "--max-error", "0.05")]
    [InlineData("--max-error is '0' but must be a relative error above 0 and below 1", "run", "-p", "hi", "--max-error", "0")]
    [InlineData("--max-error is '1' but must be", "chat", "--max-error", "1")]
    [InlineData("--max-error is 'NaN' but must be", "demo", "--max-error", "NaN")]
    [InlineData("--max-error and --budget exclude each other", "run", "-p", "hi", "--max-error", "0.05", "--budget", "500")]
    [InlineData("--rows-per-list is 32 but the policy 'full' has no lists", "demo", "--policy", "full", "--rows-per-list", "32")]
    [InlineData("--rows-per-list is '0' but must be a whole number, 1 or more", "run", "-p", "hi", "--rows-per-list", "0")]
    [InlineData("--kv-dtype is 'q4_0' but must be one of f16, q8_0, i8", "run", "-p", "hi", "--kv-dtype", "q4_0")]
    [InlineData("Keys as f16 and values as q8_0 cannot be mixed", "run", "-p", "hi", "-ctk", "f16")]
    [InlineData("Keys as q8_0 and values as f16 cannot be mixed", "run", "-p", "hi", "--kv-dtype", "f16", "-ctk", "i8")]
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
