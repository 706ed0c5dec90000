using System.Text.Json;

namespace Retrieval.Cli.Tests.Verbs;

public sealed class DemoTests
{
    [Fact]
    public void Every_fact_of_a_short_demo_is_found()
    {
        RetrievalProcess run = RetrievalProcess.Run("demo", "--context", "4k", "--facts", "5", "--json");

        Assert.Equal(ExitCode.Success, run.ExitCode);
        JsonElement report = run.Json;
        Assert.Equal(5, report.GetProperty("asked").GetInt32());
        Assert.Equal(5, report.GetProperty("correct").GetInt32());
        Assert.Equal("exact", report.GetProperty("policy").GetString());
        Assert.InRange(report.GetProperty("prompt_tokens").GetInt32(), 3900, 4096);
        Assert.True(report.GetProperty("full_ms_per_token").GetDouble() > 0);
        Assert.Equal(5, report.GetProperty("facts").GetArrayLength());
        Assert.Contains("full attention", run.Error);
        Assert.Equal(5, run.Error.Split("(right)").Length - 1);
    }

    [Fact]
    public void A_text_that_is_too_short_is_refused()
    {
        using var text = new TemporaryFile("A short text. It has two sentences.");

        RetrievalProcess run = RetrievalProcess.Run("demo", "--context", "4k", "--text", text.File);

        Assert.Equal(ExitCode.Error, run.ExitCode);
        Assert.Contains("give a longer text or a smaller context", run.Error);
    }

    [Fact]
    public void Facts_that_do_not_fit_are_refused()
    {
        RetrievalProcess run = RetrievalProcess.Run("demo", "--context", "256", "--facts", "20");

        Assert.Equal(ExitCode.Error, run.ExitCode);
        Assert.Contains("20 facts do not fit", run.Error);
    }
}
