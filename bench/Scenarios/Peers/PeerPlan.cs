namespace Retrieval.Scenarios.Peers;

/// <param name="Lengths">Prompt lengths in tokens.</param>
/// <param name="Tokens">Tokens generated after each prompt.</param>
/// <param name="Repeats">Pairs of measurements a length.</param>
internal sealed record PeerPlan(string Model, IReadOnlyList<int> Lengths, int Tokens, int Repeats, int Threads);

/// <param name="PrefillPerSecond">Prompt tokens a second.</param>
/// <param name="MillisecondsPerToken">Mean decode step after the first token.</param>
internal sealed record Speed(double PrefillPerSecond, double MillisecondsPerToken);
