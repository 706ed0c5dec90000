using Retrieval.Runtime;
using Retrieval.Runtime.Policies;

namespace Retrieval.Cli;

/// <summary>What --json prints after one generation.</summary>
/// <param name="KvRows">Rows of the KV cache once they are indexed.</param>
/// <param name="Plan">What reading was expected to take; its times are null for short prompts.</param>
/// <param name="Stopped">How far the prompt had been read when it was interrupted; null: it was read.</param>
/// <param name="IndexedTokens">Tokens that the index speaks for; all others are attended to exactly.</param>
internal sealed record RunReport(
    string Model,
    string Policy,
    RetrievalPolicy PolicyOptions,
    string KvRows,
    int PromptTokens,
    int GeneratedTokens,
    double TtftMs,
    double MsPerToken,
    double PromptPerSecond,
    long DeviceBytes,
    long HostKvBytes,
    long IndexBytes,
    int IndexedTokens,
    long RssBytes,
    MemoryPlan Plan,
    ReadingAccount? Stopped,
    string FinishReason,
    string Text)
{
    public static RunReport From(Engine engine, Session session, GenerationResult result, MemoryPlan plan, ReadingAccount? stopped = null)
    {
        SessionMemory memory = session.Memory;
        return new RunReport(
            engine.ModelName,
            session.Policy.Name,
            session.Policy,
            RowText.Name(engine.Options.KvRows),
            result.PromptTokens,
            result.Tokens.Count,
            Round(result.TimeToFirstToken.TotalMilliseconds),
            Round(result.MillisecondsPerToken),
            Round(result.PromptTokens / Math.Max(1e-9, result.Prefill.TotalSeconds)),
            memory.DeviceBytes,
            memory.HostKvBytes,
            memory.IndexBytes,
            session.IndexedTokens,
            Environment.WorkingSet,
            plan,
            stopped,
            result.Finish.ToString().ToLowerInvariant(),
            result.Text);
    }

    public static double Round(double value) => Math.Round(value, 3);
}
