using System.Text.Json;

namespace Retrieval.Cli.Tests.Verbs;

public sealed class ShowTests
{
    [Fact]
    public void The_embedded_model_is_found_and_described()
    {
        RetrievalProcess run = RetrievalProcess.Run("show", "--json");

        Assert.Equal(ExitCode.Success, run.ExitCode);
        Assert.Single(run.Output.TrimEnd().Split('\n'));
        JsonElement model = run.Json;
        Assert.Equal("recall-nano", model.GetProperty("name").GetString());
        Assert.Equal(5, model.GetProperty("layers").GetInt32());
        Assert.Equal(1_492_352, model.GetProperty("parameters").GetInt64());
        // Two layers without a window, two KV heads of 64, keys and values, 16 bits.
        Assert.Equal(1024, model.GetProperty("kv_bytes_per_token").GetInt64());
        Assert.Contains("sliding window of 128", run.Error);
    }

    [Fact]
    public void Rope_flags_change_the_configuration()
    {
        RetrievalProcess run = RetrievalProcess.Run("show", "--rope-scaling", "yarn", "--rope-scale", "4", "--yarn-orig-ctx", "128k", "--rope-freq-base", "50000");

        Assert.Equal(ExitCode.Success, run.ExitCode);
        Assert.Contains("theta 50,000, yarn scaling by 4 from 131,072", run.Output);
    }

    [Fact]
    public void Frequency_scale_is_the_inverse_of_the_scale()
    {
        RetrievalProcess run = RetrievalProcess.Run("show", "--rope-scaling", "linear", "--rope-freq-scale", "0.25");
        Assert.Contains("linear scaling by 4 from 1,048,576", run.Output);
        Assert.Contains("4,194,304", run.Output);

        RetrievalProcess both = RetrievalProcess.Run("show", "--rope-scaling", "linear", "--rope-freq-scale", "0.25", "--rope-scale", "4");
        Assert.Equal(ExitCode.Usage, both.ExitCode);
        Assert.Contains("give one of them", both.Error);
    }

    [Fact]
    public void An_override_of_an_unknown_key_is_refused()
    {
        RetrievalProcess run = RetrievalProcess.Run("show", "--override-config", "rope_thetta=1");

        Assert.Equal(ExitCode.Error, run.ExitCode);
        Assert.Contains("rope_thetta", run.Error);
    }
}
