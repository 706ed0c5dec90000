using Retrieval.Runtime;
using Retrieval.Runtime.Policies;

namespace Retrieval.Cli;

/// <summary>What `demo --json` prints. Times of <c>Full</c> are those of the same question under full attention.</summary>
/// <param name="Interrupted">It was stopped: only the facts asked for until then are in it, and what was not measured is null.</param>
/// <param name="Plan">What reading was expected to take; its times are null for short texts.</param>
/// <param name="Stopped">How far the text had been read when it was interrupted; null: it was read.</param>
/// <param name="KvRows">Rows of the KV cache once they are indexed.</param>
/// <param name="Asked">Facts asked for, each of another kind.</param>
/// <param name="FullCorrect">Right answers of full attention from the same rows; null: it is the policy, or was not asked.</param>
/// <param name="SameKind">Of facts of one kind; null: there are none, or they were not asked for.</param>
internal sealed record DemoReport(
    string Model,
    string Policy,
    RetrievalPolicy PolicyOptions,
    string KvRows,
    bool Interrupted,
    int Asked,
    int Correct,
    int? FullCorrect,
    DemoSameKind? SameKind,
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

/// <summary>Facts of one kind, each other's distractors.</summary>
/// <param name="Hidden">All of them.</param>
/// <param name="FullCorrect">As for the facts that are one of a kind.</param>
internal sealed record DemoSameKind(int Hidden, int Asked, int Correct, int? FullCorrect);

/// <param name="Depth">Share of the text before the fact, 0 to 1.</param>
internal sealed record DemoFact(string Kind, double Depth, string Question, string Expected, string Answer, bool Correct);
