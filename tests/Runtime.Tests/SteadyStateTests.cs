using Retrieval.Runtime.Policies;
using Retrieval.Runtime.Sampling;
using Retrieval.TestKit;
using TorchSharp;
using Xunit;

namespace Retrieval.Runtime.Tests;

/// <summary>Memory after long use is what it was after the first.</summary>
[Collection(AloneCollection.Name)]
public sealed class SteadyStateTests
{
    // A leak of one step's activations (recall-nano: 20 KB) over 2,000 steps would be 40 MB; what compiled code and the
    // collector's slack may still add after the first rounds is below this.
    private const long MostGrowth = 24 << 20;

    [Fact]
    public void ALongGenerationWithRewindsHoldsNoMore()
    {
        const int Steps = 2000, Round = 64, Prompt = 700;
        using Engine engine = Logits.LoadRecallNano(chunk: 256, threads: 2);
        using Session session = engine.NewSession(new ExactPolicy { Sinks = 4, Window = 32, Budget = 100 });
        int[] prompt = RandomData.Tokens(Prompt, engine.Config.Vocabulary, 1);
        session.Append(prompt);
        Rounds(4);
        (long tensors, long bytes, long memory) = Measure();
        Rounds((Steps - 1) / Round + 1);
        (long tensorsAfter, long bytesAfter, long memoryAfter) = Measure();
        Assert.Equal(tensors, tensorsAfter);
        Assert.Equal(bytes, bytesAfter);
        Assert.True(memoryAfter - memory < MostGrowth, $"the process grew by {memoryAfter - memory:N0} bytes");

        void Rounds(int count)
        {
            for (int round = 0; round < count; round++)
            {
                for (int step = 0; step < Round; step++)
                    session.Append([Sampler.ArgMax(session.Logits)]);
                // Into the prompt, so that a piece of it is prefilled again through libtorch.
                session.RewindTo(Prompt - 40);
                session.Append(prompt.AsSpan(Prompt - 40));
            }
        }

        (long, long, long) Measure()
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
            GC.Collect();
            return (DisposeScopeManager.Statistics.ThreadTotalLiveCount, session.Memory.HostKvBytes, Environment.WorkingSet);
        }
    }

    [Fact]
    public void SessionsGiveBackTheirRows()
    {
        using Engine engine = Logits.LoadRecallNano(chunk: 256, threads: 2);
        int[] prompt = RandomData.Tokens(600, engine.Config.Vocabulary, 1);
        long tensors = 0, memory = 0;
        for (int round = 0; round < 16; round++)
        {
            using (Session session = engine.NewSession())
            {
                session.Append(prompt);
                using Session fork = session.Fork();
                fork.Append(prompt);
            }
            if (round == 5)
                (tensors, memory) = (DisposeScopeManager.Statistics.ThreadTotalLiveCount, Environment.WorkingSet);
        }
        Assert.Equal(tensors, DisposeScopeManager.Statistics.ThreadTotalLiveCount);
        // Two sessions hold 9 MB of rows; ten rounds that kept them would be 90 MB.
        Assert.True(Environment.WorkingSet - memory < 2 * MostGrowth, $"the process grew by {Environment.WorkingSet - memory:N0} bytes");
    }
}
