using System.Diagnostics;
using System.Text;
using System.Text.Json;
using Retrieval.TestKit;

namespace Retrieval.Cli.Tests;

/// <summary>Runs the built command line as users do: as a process, with real streams.</summary>
internal sealed record RetrievalProcess(int ExitCode, string Output, string Error)
{
    private static readonly Dictionary<string, string> NoVariables = [];
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(5);

    /// <summary>retrieval.dll of the configuration under test.</summary>
    public static string Program { get; } = Path.Combine(
        SharedFiles.RepositoryRoot, "artifacts", "bin", "Cli", new DirectoryInfo(AppContext.BaseDirectory).Name, "retrieval.dll");

    /// <summary>The document that --json puts on the last line.</summary>
    public JsonElement Json => JsonDocument.Parse(Output.TrimEnd().Split('\n')[^1]).RootElement;

    public static RetrievalProcess Run(params string[] arguments) => RunWith("", NoVariables, arguments);

    public static RetrievalProcess RunWithInput(string input, params string[] arguments) => RunWith(input, NoVariables, arguments);

    /// <summary>Runs with standard input and environment variables, to the end.</summary>
    public static RetrievalProcess RunWith(string input, IReadOnlyDictionary<string, string> environment, params string[] arguments)
    {
        using Process process = Start(environment, arguments);
        Task<string> output = process.StandardOutput.ReadToEndAsync(), error = process.StandardError.ReadToEndAsync();
        process.StandardInput.Write(input);
        process.StandardInput.Close();
        if (!process.WaitForExit(Limit))
        {
            process.Kill();
            throw new TimeoutException($"retrieval {string.Join(' ', arguments)} did not end within {Limit}.");
        }
        return new RetrievalProcess(process.ExitCode, output.Result, error.Result);
    }

    /// <summary>Starts without waiting; the caller ends it.</summary>
    public static Process Start(IReadOnlyDictionary<string, string> environment, params string[] arguments)
    {
        var utf8 = new UTF8Encoding(false);
        var start = new ProcessStartInfo("dotnet", [Program, .. arguments])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            StandardInputEncoding = utf8,
            StandardOutputEncoding = utf8,
            StandardErrorEncoding = utf8,
        };
        // Variables of the developer's shell are no part of a test.
        foreach (string name in start.Environment.Keys.Where(name => name.StartsWith("RETRIEVAL_", StringComparison.Ordinal)).ToArray())
            start.Environment.Remove(name);
        foreach ((string name, string value) in environment)
            start.Environment[name] = value;
        return Process.Start(start)!;
    }
}
