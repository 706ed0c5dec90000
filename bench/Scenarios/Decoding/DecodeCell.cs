namespace Retrieval.Scenarios.Decoding;

/// <summary>What a decode step costs at one depth under one policy. Medians in milliseconds.</summary>
/// <param name="Depth">Tokens in the KV cache before the first measured step.</param>
/// <param name="FastestMs">The fastest step: on a shared machine it is disturbed least.</param>
/// <param name="Bytes">Weights, rows and index that a step reads.</param>
/// <param name="BoundMs"><paramref name="Bytes"/> at the machine's read bandwidth.</param>
/// <param name="RssBytes">About what the process would take if this depth were the only one.</param>
/// <param name="BuildSeconds">Making the rows and the indexes.</param>
internal sealed record DecodeCell(
    int Depth, string Policy, double MsPerToken, double WeightsMs, double SelectMs, double AttendMs, double OtherMs, double FastestMs,
    long Bytes, double BoundMs, long RssBytes, long IndexBytes, long KvBytes, double BuildSeconds);

/// <summary>A depth that was not measured under a policy, and why.</summary>
internal sealed record RefusedCell(int Depth, string Policy, string Refused);
