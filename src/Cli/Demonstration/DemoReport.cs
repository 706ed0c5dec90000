namespace Retrieval.Cli;

/// <summary>What `demo --json` prints. Times of <c>Full</c> are those of the same question under full attention.</summary>
internal sealed record DemoReport(
    string Model,
    string Policy,
    int Asked,
    int Correct,
    int PromptTokens,
    int GeneratedTokens,
    double TtftMs,
    double QuestionMs,
    double MsPerToken,
    double? FullQuestionMs,
    double? FullMsPerToken,
    double PromptPerSecond,
    long DeviceBytes,
    long HostKvBytes,
    long IndexBytes,
    long RssBytes,
    IReadOnlyList<DemoFact> Facts,
    string Text);

/// <param name="Depth">Share of the text before the fact, 0 to 1.</param>
internal sealed record DemoFact(string Kind, double Depth, string Question, string Expected, string Answer, bool Correct);
