using System.Text;
using System.Text.Json;
using Retrieval.Evaluation;
using Retrieval.TestKit;

namespace Retrieval.Cli.Tests.Verbs;

/// <summary><c>run</c> with the embedded model, which answers questions about facts in a text.</summary>
public sealed class RunTests
{
    private const string Question = "What is the access code for Maren Vale?";
    private static readonly string Book = MakeBook();

    [Fact]
    public void A_question_about_a_file_is_answered()
    {
        using var book = new TemporaryFile(Book);

        RetrievalProcess run = RetrievalProcess.Run("run", "-f", book.File, "-p", Question, "-n", "16");

        Assert.Equal(ExitCode.Success, run.ExitCode);
        Assert.Equal("48213", run.Output.Trim());
    }

    [Fact]
    public void Piped_text_is_read_before_the_question()
    {
        RetrievalProcess run = RetrievalProcess.RunWithInput(Book, "run", "-p", Question, "-n", "16", "--policy", "exact", "--budget", "512");

        Assert.Equal("48213", run.Output.Trim());
    }

    [Fact]
    public void Json_is_the_whole_of_standard_output()
    {
        RetrievalProcess run = RetrievalProcess.RunWithInput(Book, "run", "-p", Question, "-n", "16", "--json", "--verbose");

        Assert.Equal(ExitCode.Success, run.ExitCode);
        Assert.Single(run.Output.TrimEnd().Split('\n'));
        JsonElement report = run.Json;
        Assert.Equal("48213", report.GetProperty("text").GetString()!.Trim());
        Assert.Equal(5, report.GetProperty("generated_tokens").GetInt32());
        Assert.True(report.GetProperty("prompt_tokens").GetInt32() > 1000);
        Assert.All(["ttft_ms", "ms_per_token", "device_bytes", "host_kv_bytes", "index_bytes", "indexed_tokens", "rss_bytes"],
            name => Assert.True(report.GetProperty(name).GetDouble() >= 0, name));
        Assert.True(report.GetProperty("rss_bytes").GetInt64() > 1_000_000);
        Assert.Equal("stop", report.GetProperty("finish_reason").GetString());
        Assert.Equal("ivf-pq", report.GetProperty("policy").GetString());
        Assert.Equal("ivf-pq", report.GetProperty("policy_options").GetProperty("policy").GetString());
        Assert.Equal("q8_0", report.GetProperty("kv_rows").GetString());
        Assert.Contains("48213", run.Error);
        string[] timings = ["total duration:", "load duration:", "prompt eval count:", "prompt eval duration:", "prompt eval rate:", "eval count:", "eval duration:", "eval rate:", "policy:", "KV cache:", "index:"];
        Assert.All(timings, name => Assert.Contains('\n' + name, run.Error));
    }

    [Fact]
    public void Policy_flags_reach_the_session()
    {
        RetrievalProcess run = RetrievalProcess.RunWithInput(Book, "run", "-p", Question, "-n", "16", "--json", "--verbose",
            "--max-error", "0.02", "--rows-per-list", "32", "--local-window", "256", "-ctk", "f16", "-ctv", "f16");

        Assert.Equal(ExitCode.Success, run.ExitCode);
        JsonElement options = run.Json.GetProperty("policy_options");
        Assert.Equal(0.02, options.GetProperty("max_error").GetDouble());
        Assert.Equal(32, options.GetProperty("rows_per_list").GetInt32());
        Assert.Equal(256, options.GetProperty("window").GetInt32());
        Assert.Equal("f16", run.Json.GetProperty("kv_rows").GetString());
        Assert.True(run.Json.GetProperty("indexed_tokens").GetInt32() > 0);
        string policy = Assert.Single(run.Error.Split('\n'), line => line.StartsWith("policy:", StringComparison.Ordinal));
        Assert.All(["ivf-pq", "max_error 0.02", "rows_per_list 32", "window 256"], part => Assert.Contains(part, policy));
        Assert.DoesNotContain("sinks", policy);
    }

    [Fact]
    public void Raw_text_is_continued_as_the_reference_does()
    {
        using var golden = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(SharedFiles.RepositoryRoot, "models", "recall-nano", "golden.json")));
        JsonElement first = golden.RootElement.GetProperty("prompts")[0];

        RetrievalProcess run = RetrievalProcess.Run("run", "--raw", "-p", first.GetProperty("prompt").GetString()!, "-n", "32", "--compute", "float32", "--ignore-eos", "--json");

        Assert.Equal(first.GetProperty("greedy_text").GetString(), run.Json.GetProperty("text").GetString());
    }

    [Fact]
    public void A_prompt_that_does_not_fit_is_refused_with_both_numbers()
    {
        RetrievalProcess run = RetrievalProcess.RunWithInput(Book, "run", "-p", Question, "-n", "16", "-c", "512", "--json");

        Assert.Equal(ExitCode.ContextOverflow, run.ExitCode);
        Assert.Contains("512", run.Error);
        Assert.Matches(@"need [\d,]{5} positions", run.Error);
        Assert.Empty(run.Output);
    }

    [Fact]
    public void A_text_past_the_trained_context_is_warned_of_once_with_the_remedy()
    {
        string[] arguments = ["run", "-p", Question, "-n", "16", "-c", "8k", "--override-config", "max_position_embeddings=512"];
        RetrievalProcess beyond = RetrievalProcess.RunWithInput(Book, arguments);
        RetrievalProcess scaled = RetrievalProcess.RunWithInput(Book, [.. arguments, "--rope-scaling", "yarn", "--rope-scale", "16"]);

        Assert.Equal(ExitCode.Success, beyond.ExitCode);
        string line = Assert.Single(beyond.Error.TrimEnd().Split('\n'), line => line.Contains("trained", StringComparison.Ordinal));
        Assert.Matches(@"may take [\d,]{5} tokens but recall-nano was trained for 512; .* --rope-scaling yarn --rope-scale \d", line);
        Assert.DoesNotContain("trained", scaled.Error);
    }

    [Fact]
    public void A_stop_text_ends_the_answer_and_is_not_part_of_it()
    {
        RetrievalProcess run = RetrievalProcess.RunWithInput(Book, "run", "-p", Question, "-n", "16", "--stop", "13", "--stop", "nothing");

        Assert.Equal("482", run.Output.Trim());
    }

    [Fact]
    public void The_same_seed_draws_the_same_text()
    {
        string[] arguments = ["run", "--raw", "-p", "It was a bright morning when", "-n", "24", "--temp", "0.9", "--top-k", "40", "--seed", "7"];

        Assert.Equal(RetrievalProcess.Run(arguments).Output, RetrievalProcess.Run(arguments).Output);
    }

    private static string MakeBook()
    {
        var text = new StringBuilder();
        foreach (string sentence in Prose.Sentences(seed: 3).Take(120))
        {
            if (text.Length > 4000 && !text.ToString().Contains("Maren"))
                text.Append(" The access code for Maren Vale is 48213.");
            text.Append(sentence);
        }
        return text.ToString();
    }
}
