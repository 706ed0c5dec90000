using System.Diagnostics;
using Retrieval.Runtime.Models;
using Retrieval.Runtime.Policies;

namespace Retrieval.Runtime;

/// <summary>
/// About how long a decode step takes after a prompt: what does not depend on its length is measured; the far tokens follow
/// what bench/results/decode.json found on two threads of a server processor.
/// </summary>
internal static class DecodeEstimate
{
    // ivf-pq: microseconds of one thread for a KV head of 64 elements after 8,192 tokens, and how they grow.
    private const double IvfPqMicroseconds = 124, IvfPqGrowth = 0.39;
    private const int IvfPqTokens = 8192;

    // Of a sharp one: nanoseconds for each token, whose codes are all read.
    private const double SharpNanoseconds = 3;

    // Every row read: bytes that one thread attends to in a second.
    private const double BytesPerSecond = 7.3e9;
    private const int Steps = 4;

    /// <param name="state">An empty sequence, of no use afterwards.</param>
    /// <param name="sharp">Share of the KV heads that are sharp, 0 to 1.</param>
    public static double MillisecondsPerToken(Decoder decoder, ModelConfig model, SequenceState state, int tokens, double sharp, int threads)
        => Steady(decoder, model, state) + FarMilliseconds(model, state.Policy, tokens, sharp) / threads;

    private static unsafe double Steady(Decoder decoder, ModelConfig model, SequenceState state)
    {
        using var logits = new HostBuffer(model.Vocabulary);
        double fastest = double.PositiveInfinity;
        for (int i = 0; i < Steps; i++)
        {
            long begin = Stopwatch.GetTimestamp();
            decoder.Step(state, 0, logits.Data);
            fastest = Math.Min(fastest, Stopwatch.GetElapsedTime(begin).TotalMilliseconds);
        }
        return fastest;
    }

    private static double FarMilliseconds(ModelConfig model, RetrievalPolicy policy, int tokens, double sharp)
    {
        int heads = model.KvHeads * model.LayerKinds.Count(kind => kind.SlidingWindow is null);
        double rowBytes = 2.0 * sizeof(ushort) * model.HeadDim, all = tokens * rowBytes / BytesPerSecond * 1e3;
        return heads * policy switch
        {
            IvfPqPolicy own => Math.Min(all, model.HeadDim / 64.0 * (IvfPqMicroseconds / 1e3 * Math.Pow((double)tokens / IvfPqTokens, IvfPqGrowth)
                + sharp * Math.Min(tokens, own.SharpOpenMost) * SharpNanoseconds / 1e6)),
            ExactPolicy exact => all / 2 + Math.Min(tokens, exact.Budget) * rowBytes / BytesPerSecond * 1e3,
            FullPolicy => all,
            _ => 0,
        };
    }
}
