using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Retrieval.Runtime;

namespace Retrieval.Scenarios.Peers;

/// <summary>llama.cpp in a Node.js process that stays, with the model loaded, and answers one request a line.</summary>
internal sealed class LlamaCpp : IDisposable
{
    private static readonly string Folder = Path.Combine(ResultFiles.Repository, "bench", "peers", "llama-cpp");

    private readonly Process _process;

    private LlamaCpp(Process process, string release)
    {
        _process = process;
        Release = release;
    }

    /// <summary>llama.cpp's build number.</summary>
    public string Release { get; }

    /// <summary>Installs the package if it is not there, and loads the model.</summary>
    /// <exception cref="InputException">Node.js or npm is missing, or the package cannot be installed or loaded.</exception>
    public static LlamaCpp Start(string model, int threads, TextWriter log)
    {
        if (!File.Exists(model))
            throw new InputException($"There is no model '{model}'; give a .gguf file.");
        if (!Directory.Exists(Path.Combine(Folder, "node_modules", "node-llama-cpp")))
            Install(log);
        Process process = Launch("node", ["llama-cpp.mjs", model, threads.ToString(CultureInfo.InvariantCulture)]);
        string? ready = process.StandardOutput.ReadLine();
        if (ready is null)
        {
            process.WaitForExit();
            throw new InputException($"llama.cpp did not start (exit code {process.ExitCode}, its message is above); remove bench/peers/llama-cpp/node_modules and try again.");
        }
        using var document = JsonDocument.Parse(ready);
        return new LlamaCpp(process, document.RootElement.GetProperty("llama_cpp").ToString());
    }

    /// <summary>Reads a prompt into a new context.</summary>
    /// <param name="room">Tokens that will be generated after it.</param>
    /// <returns>Tokens a second.</returns>
    public double Read(int[] ids, int room)
    {
        double milliseconds = Ask(new { read = ids, room }, "prefill_ms");
        // It leaves the last token of the prompt to the first decode step.
        return (ids.Length - 1) / milliseconds * 1000;
    }

    /// <summary>Generates after the prompt that was read last, and forgets what it generated.</summary>
    /// <returns>Milliseconds a token.</returns>
    public double Generate(int tokens) => Ask(new { generate = tokens }, "ms_per_token");

    public void Dispose()
    {
        _process.StandardInput.Close();
        if (!_process.WaitForExit(TimeSpan.FromSeconds(10)))
            _process.Kill();
        _process.Dispose();
    }

    private double Ask(object request, string property)
    {
        _process.StandardInput.WriteLine(JsonSerializer.Serialize(request));
        _process.StandardInput.Flush();
        string line = _process.StandardOutput.ReadLine() ?? throw new InputException("llama.cpp ended before it answered; its message is above.");
        using var answer = JsonDocument.Parse(line);
        return answer.RootElement.GetProperty(property).GetDouble();
    }

    private static void Install(TextWriter log)
    {
        log.WriteLine("installing node-llama-cpp (npm install --ignore-scripts) ...");
        using Process npm = Launch("npm", ["install", "--ignore-scripts", "--no-audit", "--no-fund"]);
        npm.StandardInput.Close();
        log.WriteLine(npm.StandardOutput.ReadToEnd().Trim());
        npm.WaitForExit();
        if (npm.ExitCode != 0)
            throw new InputException($"npm could not install node-llama-cpp (exit code {npm.ExitCode}); check the network and the package registry.");
    }

    private static Process Launch(string program, string[] arguments)
    {
        var start = new ProcessStartInfo(program, arguments) { WorkingDirectory = Folder, RedirectStandardInput = true, RedirectStandardOutput = true };
        try
        {
            return Process.Start(start)!;
        }
        catch (Win32Exception)
        {
            throw new InputException($"'{program}' was not found; the comparison with llama.cpp needs Node.js 20 or newer with npm on the PATH.");
        }
    }
}
