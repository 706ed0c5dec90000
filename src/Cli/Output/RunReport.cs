using Retrieval.Runtime;

namespace Retrieval.Cli;

/// <summary>What --json prints after one generation.</summary>
internal sealed record RunReport(
    string Model,
    string Policy,
    int PromptTokens,
    int GeneratedTokens,
    double TtftMs,
    double MsPerToken,
    double PromptPerSecond,
    long DeviceBytes,
    long HostKvBytes,
    long IndexBytes,
    long RssBytes,
    string FinishReason,
    string Text)
{
    public static RunReport From(Engine engine, Session session, GenerationResult result)
    {
        SessionMemory memory = session.Memory;
        return new RunReport(
            engine.ModelName,
            session.Policy.Name,
            result.PromptTokens,
            result.Tokens.Count,
            Round(result.TimeToFirstToken.TotalMilliseconds),
            Round(result.MillisecondsPerToken),
            Round(result.PromptTokens / Math.Max(1e-9, result.Prefill.TotalSeconds)),
            memory.DeviceBytes,
            memory.HostKvBytes,
            memory.IndexBytes,
            Environment.WorkingSet,
            result.Finish.ToString().ToLowerInvariant(),
            result.Text);
    }

    public static double Round(double value) => Math.Round(value, 3);
}
