using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text.Json;
using Retrieval.Evaluation;

namespace Retrieval.Cli.Tests.Verbs;

public sealed partial class InterruptTests
{
    private const int Sigint = 2;
    private static readonly Dictionary<string, string> NoVariables = [];

    [SkippableFact]
    public void Ctrl_c_ends_with_what_was_generated()
    {
        SkipOnWindows();
        using Process process = RetrievalProcess.Start(NoVariables, "run", "--raw", "-p", "It was a bright morning", "-n", "500000", "--ignore-eos");
        process.StandardInput.Close();
        Task<string> error = process.StandardError.ReadToEndAsync();
        char[] begun = new char[40];
        int read = process.StandardOutput.ReadBlock(begun);

        Assert.Equal(0, Kill(process.Id, Sigint));
        string rest = process.StandardOutput.ReadToEnd();
        Assert.True(process.WaitForExit(TimeSpan.FromSeconds(30)), "it went on after Ctrl-C");

        Assert.Equal(begun.Length, read);
        Assert.EndsWith("\n", rest);
        Assert.Equal(ExitCode.Interrupted, process.ExitCode);
        Assert.Empty(error.Result);
    }

    [SkippableFact]
    public void Stopped_while_reading_the_document_says_so()
    {
        SkipOnWindows();
        using var book = new TemporaryFile(string.Concat(Prose.Sentences(seed: 5).Take(6000)));

        JsonElement report = Interrupt(line => line.StartsWith("reading", StringComparison.Ordinal), "run", "-f", book.File, "-p", "Who?", "--json");

        Assert.Equal("cancelled", report.GetProperty("finish_reason").GetString());
        Assert.Equal("", report.GetProperty("text").GetString());
        Assert.Equal(0, report.GetProperty("prompt_tokens").GetInt32());
        JsonElement plan = report.GetProperty("plan"), stopped = report.GetProperty("stopped");
        int tokens = plan.GetProperty("tokens").GetInt32();
        Assert.True(tokens > PlanDisplay.LongPrompt, "the text is too short for a plan");
        Assert.True(plan.GetProperty("prefill_seconds").GetDouble() > 0);
        Assert.True(plan.GetProperty("host_peak_bytes").GetInt64() > 2L * tokens * 512);
        Assert.Equal((tokens, 5), (stopped.GetProperty("tokens").GetInt32(), stopped.GetProperty("layers").GetInt32()));
        Assert.InRange(stopped.GetProperty("layers_read").GetInt32(), 0, 4);
        Assert.InRange(stopped.GetProperty("work_done").GetDouble(), 0.1, 1);
    }

    [SkippableFact]
    public void Force_reads_what_is_not_expected_to_fit()
    {
        SkipOnWindows();
        using var book = new TemporaryFile(string.Concat(Prose.Sentences(seed: 5).Take(6000)));
        string[] arguments = ["run", "-f", book.File, "-p", "Who?", "--json"];
        // The runtime takes a limit on its heap for the machine's memory.
        var little = new Dictionary<string, string> { ["DOTNET_GCHeapHardLimit"] = "0x6000000" };

        RetrievalProcess refused = RetrievalProcess.RunWith("", little, arguments);
        JsonElement forced = Interrupt(little, line => line.StartsWith("reading", StringComparison.Ordinal), [.. arguments, "--force"]);

        Assert.Equal(ExitCode.OutOfMemory, refused.ExitCode);
        Assert.Matches(@"Reading [\d,]+ tokens needs 0\.\d GB of host memory \(.*\) and 0\.1 GB are available; .* --force", refused.Error);
        Assert.Empty(refused.Output);
        Assert.Equal("cancelled", forced.GetProperty("finish_reason").GetString());
    }

    [SkippableFact]
    public void A_stopped_demo_keeps_what_was_answered()
    {
        SkipOnWindows();

        JsonElement report = Interrupt(line => line.EndsWith("(right)", StringComparison.Ordinal), "demo", "--context", "4k", "--facts", "20", "--json");

        Assert.True(report.GetProperty("interrupted").GetBoolean());
        int asked = report.GetProperty("asked").GetInt32();
        Assert.True(asked >= 1);
        Assert.Equal(asked, report.GetProperty("facts").GetArrayLength());
        Assert.True(report.GetProperty("prompt_per_second").GetDouble() > 0);
    }

    /// <summary>Sends Ctrl-C at the first line of standard error that the caller waits for; the document that ends the run.</summary>
    private static JsonElement Interrupt(Func<string, bool> at, params string[] arguments) => Interrupt(NoVariables, at, arguments);

    private static JsonElement Interrupt(Dictionary<string, string> environment, Func<string, bool> at, params string[] arguments)
    {
        using Process process = RetrievalProcess.Start(environment, arguments);
        process.StandardInput.Close();
        Task<string> output = process.StandardOutput.ReadToEndAsync();
        string? line;
        do
            line = process.StandardError.ReadLine();
        while (line is not null && !at(line));
        Assert.NotNull(line);
        Assert.Equal(0, Kill(process.Id, Sigint));

        Assert.EndsWith("retrieval: interrupted.\n", process.StandardError.ReadToEnd());
        Assert.True(process.WaitForExit(TimeSpan.FromSeconds(60)), "it went on after Ctrl-C");
        Assert.Equal(ExitCode.Interrupted, process.ExitCode);
        return JsonDocument.Parse(output.Result).RootElement;
    }

    private static void SkipOnWindows() => Skip.If(OperatingSystem.IsWindows(), "there is no kill(2) on Windows");

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int Kill(int process, int signal);
}
