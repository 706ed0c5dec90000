using Retrieval.Runtime.Policies;

namespace Retrieval.Runtime.Models;

/// <summary>
/// Reads the beginning of a text, to see what kind of heads the model has: sharp ones cost several times as much to search. Goes
/// through as many layers as a second allows; the others are taken to be like them.
/// </summary>
internal static class PrefillSample
{
    private static readonly TimeSpan Enough = TimeSpan.FromSeconds(1);

    /// <param name="state">An empty sequence, of no use afterwards.</param>
    /// <returns>Share of the KV heads that are sharp, 0 to 1; 0 where nothing was indexed.</returns>
    public static double SharpShare(Decoder decoder, SequenceState state, ReadOnlySpan<int> tokens)
    {
        int enough = state.Policy.Sinks + state.Policy.Window + IvfPqPolicy.SmallestSegment;
        if (state.Policy is not IvfPqPolicy || tokens.Length < enough)
            return 0;
        using var time = new CancellationTokenSource(Enough);
        try
        {
            decoder.Prefill(state, tokens[..enough], enough, null, null, time.Token);
        }
        catch (OperationCanceledException)
        {
            // The layers that were read are enough.
        }
        return state.SharpShare ?? 0;
    }
}
