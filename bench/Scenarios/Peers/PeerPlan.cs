using Retrieval.Runtime.Policies;

namespace Retrieval.Scenarios.Peers;

/// <param name="Lengths">Lengths of prompts whose prefill is measured, and decode after them, in tokens.</param>
/// <param name="Depths">Tokens in the KV cache where decode alone is measured.</param>
/// <param name="Synthetic">This project's side does not read the tokens of a depth; its rows are made up (SyntheticKv).</param>
/// <param name="Tokens">Tokens generated after each prompt.</param>
/// <param name="Repeats">Pairs of measurements a length or depth.</param>
/// <param name="Policy">Of this project's side.</param>
internal sealed record PeerPlan(
    string Model, IReadOnlyList<int> Lengths, IReadOnlyList<int> Depths, bool Synthetic, int Tokens, int Repeats, int Threads, RetrievalPolicy Policy);

/// <param name="PrefillPerSecond">Prompt tokens a second.</param>
/// <param name="MillisecondsPerToken">Mean decode step after the first token.</param>
internal sealed record Speed(double PrefillPerSecond, double MillisecondsPerToken);
