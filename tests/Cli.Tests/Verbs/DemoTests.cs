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
        Assert.Equal("ivf-pq", report.GetProperty("policy").GetString());
        Assert.Equal(64, report.GetProperty("policy_options").GetProperty("rows_per_list").GetInt32());
        Assert.Equal("q8_0", report.GetProperty("kv_rows").GetString());
        Assert.False(report.GetProperty("interrupted").GetBoolean());
        // 4,096 tokens less sinks and window are enough for an index.
        Assert.True(report.GetProperty("index_bytes").GetInt64() > 0);
        Assert.InRange(report.GetProperty("prompt_tokens").GetInt32(), 3900, 4096);
        Assert.True(report.GetProperty("full_ms_per_token").GetDouble() > 0);
        Assert.Equal(5, report.GetProperty("facts").GetArrayLength());
        Assert.Contains("full attention", run.Error);
        Assert.Contains("rounded to 8 bits when they were indexed", run.Error);
        Assert.Equal(5, run.Error.Split("(right)").Length - 1);
        Assert.Contains("5 of 5 right; full attention, from the same rows: 5.", run.Error);
        Assert.Equal(JsonValueKind.Null, report.GetProperty("same_kind").ValueKind);
    }

    [Fact]
    public void Facts_of_one_kind_are_compared_with_full_attention()
    {
        RetrievalProcess run = RetrievalProcess.Run("demo", "--context", "4k", "--facts", "1", "--same-kind", "15", "--json");

        JsonElement same = run.Json.GetProperty("same_kind");
        Assert.Equal(15, same.GetProperty("hidden").GetInt32());
        Assert.Equal(10, same.GetProperty("asked").GetInt32());
        int correct = same.GetProperty("correct").GetInt32(), full = same.GetProperty("full_correct").GetInt32();
        // recall-nano misses one of twenty at this length.
        Assert.InRange(full, 8, 10);
        Assert.Equal(correct >= full ? ExitCode.Success : ExitCode.Error, run.ExitCode);
        Assert.Contains($"Of 10 asked among 15 of one kind {correct} right; full attention, from the same rows: {full}.", run.Error);
    }

    [Fact]
    public void Rows_that_stay_16_bit_need_no_remark()
    {
        RetrievalProcess run = RetrievalProcess.Run("demo", "--context", "4k", "--facts", "2", "--kv-dtype", "f16", "--budget", "512", "--json");

        Assert.Equal(ExitCode.Success, run.ExitCode);
        Assert.Equal("f16", run.Json.GetProperty("kv_rows").GetString());
        Assert.Equal(512, run.Json.GetProperty("policy_options").GetProperty("keys_most").GetInt32());
        Assert.Contains("full attention", run.Error);
        Assert.DoesNotContain("rounded", run.Error);
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
