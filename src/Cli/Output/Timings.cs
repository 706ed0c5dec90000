using System.Globalization;
using Retrieval.Runtime;

namespace Retrieval.Cli;

/// <summary>The eight lines that Ollama prints with --verbose, and what the answer was found with.</summary>
internal static class Timings
{
    public static void Write(TextWriter writer, TimeSpan total, TimeSpan load, Session session, GenerationResult result)
    {
        Line("total duration:", Duration(total));
        Line("load duration:", Duration(load));
        Line("prompt eval count:", Tokens(result.PromptTokens));
        Line("prompt eval duration:", Duration(result.Prefill));
        Line("prompt eval rate:", Rate(result.PromptTokens, result.Prefill));
        Line("eval count:", Tokens(result.Tokens.Count));
        Line("eval duration:", Duration(result.Decode));
        Line("eval rate:", Rate(result.DecodeSteps, result.Decode));
        SessionMemory memory = session.Memory;
        Line("policy:", PolicyText.Describe(session.Policy));
        Line("KV cache:", Units.Bytes(memory.HostKvBytes));
        Line("index:", Units.Bytes(memory.IndexBytes));

        void Line(string name, string value) => writer.WriteLine($"{name,-22}{value}");
    }

    private static string Tokens(int count) => string.Create(CultureInfo.InvariantCulture, $"{count} token(s)");

    private static string Duration(TimeSpan time) => time.TotalSeconds >= 1
        ? string.Create(CultureInfo.InvariantCulture, $"{time.TotalSeconds:0.000000}s")
        : string.Create(CultureInfo.InvariantCulture, $"{time.TotalMilliseconds:0.000000}ms");

    private static string Rate(int tokens, TimeSpan time) =>
        string.Create(CultureInfo.InvariantCulture, $"{(time.Ticks == 0 ? 0 : tokens / time.TotalSeconds):0.00} tokens/s");
}
