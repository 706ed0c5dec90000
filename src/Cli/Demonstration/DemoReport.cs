using Retrieval.Runtime;
using Retrieval.Runtime.Policies;

namespace Retrieval.Cli;

/// <summary>What `demo --json` prints. Times of <c>Full</c> are those of the same question under full attention.</summary>
/// <param name="Interrupted">It was stopped: only the facts asked for until then are in it, and what was not measured is null.</param>
/// <param name="Plan">What reading was expected to take; its times are null for short texts.</param>
/// <param name="Stopped">How far the text had been read when it was interrupted; null: it was read.</param>
/// <param name="KvRows">Rows of the KV cache once they are indexed.</param>
/// <param name="Asked">Facts asked for.</param>
internal sealed record DemoReport(
    string Model,
    string Policy,
    RetrievalPolicy PolicyOptions,
    string KvRows,
    bool Interrupted,
    int Asked,
    int Correct,
    int PromptTokens,
    int GeneratedTokens,
    double? TtftMs,
    double? QuestionMs,
    double? MsPerToken,
    double? FullQuestionMs,
    double? FullMsPerToken,
    double? PromptPerSecond,
    long DeviceBytes,
    long HostKvBytes,
    long IndexBytes,
    long RssBytes,
    MemoryPlan? Plan,
    ReadingAccount? Stopped,
    IReadOnlyList<DemoFact> Facts,
    string Text);

/// <param name="Depth">Share of the text before the fact, 0 to 1.</param>
internal sealed record DemoFact(string Kind, double Depth, string Question, string Expected, string Answer, bool Correct);
