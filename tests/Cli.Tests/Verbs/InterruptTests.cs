using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Retrieval.Cli.Tests.Verbs;

public sealed partial class InterruptTests
{
    private const int Sigint = 2;

    [SkippableFact]
    public void Ctrl_c_ends_with_what_was_generated()
    {
        Skip.If(OperatingSystem.IsWindows(), "there is no kill(2) on Windows");
        using Process process = RetrievalProcess.Start(new Dictionary<string, string>(), "run", "--raw", "-p", "It was a bright morning", "-n", "500000", "--ignore-eos");
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

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int Kill(int process, int signal);
}
