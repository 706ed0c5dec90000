using Retrieval.Offload;
using Retrieval.Runtime.Models;
using Retrieval.Runtime.Policies;
using Retrieval.TestKit;
using Xunit;

namespace Retrieval.Runtime.Tests;

/// <summary>What a prompt takes, before it is read.</summary>
public sealed class MemoryPlanTests
{
    private static readonly EngineOptions RecallNano = new()
    {
        Model = Path.Combine(SharedFiles.RepositoryRoot, "models", "recall-nano"),
        Compute = ComputeType.Float32,
    };

    [Fact]
    public void APlanHoldsWhatASessionHoldsAfterwards()
    {
        using var engine = Engine.Load(RecallNano);
        foreach (RetrievalPolicy policy in (RetrievalPolicy[])[new IvfPqPolicy(), new FullPolicy()])
        {
            using Session session = engine.NewSession(policy);
            MemoryPlan plan = session.Plan(20_000);
            session.Append([.. Enumerable.Range(0, 20_000).Select(i => 3 + i * 7 % 2000)]);
            SessionMemory memory = session.Memory;

            // The plan leaves out what sliding layers keep, which does not grow.
            long sliding = 3 * 5 * new KvLayout(1, 2, 64).PageBytes * 2;
            Assert.InRange(plan.HostKvBytes, (memory.HostKvBytes - sliding) * 0.95, memory.HostKvBytes * 1.1);
            Assert.InRange(plan.HostIndexBytes, memory.IndexBytes * 0.5, memory.IndexBytes * 2);
            Assert.Equal(20_000L * 128 * sizeof(float), plan.HostHiddenBytes);
            Assert.True(plan.HostPeakBytes > plan.HostHeldBytes + memory.HostKvBytes);
        }
    }

    [Fact]
    public void APlanGrowsWithTheTokens()
    {
        using var engine = Engine.Load(RecallNano);
        using Session session = engine.NewSession();
        MemoryPlan small = session.Plan(100_000), large = session.Plan(1_000_000);

        Assert.InRange((large.HostNeededBytes - large.HostWorkBytes) / (double)(small.HostNeededBytes - small.HostWorkBytes), 9, 10.5);
        Assert.Equal(small.DeviceBytes, large.DeviceBytes);
        Assert.Equal(0, large.DiskBytes);
    }

    [Fact]
    public void TimesAreMeasuredOnRequest()
    {
        using var engine = Engine.Load(RecallNano);
        using Session session = engine.NewSession();
        MemoryPlan timed = session.TimedPlan([.. Enumerable.Range(0, 100_000).Select(i => 3 + i * 7 % 2000)]);

        Assert.Null(session.Plan(100_000).PrefillSeconds);
        Assert.InRange(timed.PrefillSeconds!.Value, 0.1, 100_000);
        Assert.InRange(timed.MsPerToken!.Value, 0.01, 100_000);
        Assert.Equal(0, session.Length);
    }

    [Fact]
    public void WhatCannotFitIsRefusedWithItsParts()
    {
        var plan = new MemoryPlan
        {
            Tokens = 1000,
            DeviceIsHost = true,
            DeviceWeightBytes = 0,
            DeviceWindowBytes = 0,
            DeviceWorkBytes = 0,
            HostHeldBytes = 0,
            HostWorkBytes = 1_000_000_000,
            HostHiddenBytes = 2_000_000_000,
            HostWaitingKvBytes = 3_000_000_000,
            HostSettledKvBytes = 4_000_000_000,
            HostKvBytes = 4_000_000_000,
            HostIndexBytes = 500_000_000,
            HostAvailableBytes = 10_500_000_000,
        };
        plan.Demand();
        var problem = Assert.Throws<InsufficientMemoryException>(() => (plan with { HostAvailableBytes = 10_000_000_000 }).Demand());
        Assert.Equal("Reading 1,000 tokens needs 10.5 GB of host memory (KV rows 7.0, index 0.5, hidden states 2.0, work 1.0) and 10.0 GB are available", problem.Message);
    }

    [Fact]
    public void ALineThroughChunksSeparatesMatricesFromAttention()
    {
        (PrefillCost, double)[] points = [.. Enumerable.Range(1, 4).Select(i => (new PrefillCost(1e9, i * 1e9), 2 + 3.0 * i))];
        PrefillRate rate = PrefillRate.Fit(points);
        Assert.Equal(2e-9, rate.Matrices, 15);
        Assert.Equal(3e-9, rate.Attention, 15);
        Assert.Equal(2 + 30, rate.Seconds(new PrefillCost(1e9, 10e9)), 6);

        // One chunk that was disturbed.
        points[2].Item2 *= 10;
        PrefillRate disturbed = PrefillRate.Fit(points);
        Assert.Equal(rate.Matrices, disturbed.Matrices, 15);
        Assert.Equal(rate.Attention, disturbed.Attention, 15);

        // Noise that says that more keys cost less.
        PrefillRate common = PrefillRate.Fit([(new PrefillCost(1e9, 1e9), 3), (new PrefillCost(1e9, 2e9), 2)]);
        Assert.Equal(common.Matrices, common.Attention);
        Assert.Equal(13e-9 / 12, common.Matrices, 15);
    }

    [Fact]
    public void SharpHeadsAreFoundAndCostMore()
    {
        using var engine = Engine.Load(RecallNano);
        int[] tokens = [.. Enumerable.Range(0, 3000).Select(i => 3 + i * i % 2000)];

        // The heads of recall-nano that see everything are sharp, on tokens without sense nearly all; a window that leaves nothing to index says nothing.
        Assert.InRange(engine.SharpShare(new IvfPqPolicy(), tokens), 0.5, 1);
        Assert.Equal(0, engine.SharpShare(new IvfPqPolicy { Window = 4096 }, tokens));

        double Cost(int to, double sharp) => PrefillWork.Total(engine.Config, 0, to, PrefillSearch.Of(new IvfPqPolicy(), new IvfPqPolicy().DensePrefill, 1_000_000, sharp), wholeLastLayer: false).Attention;
        Assert.InRange(Cost(100_000, 1) / Cost(100_000, 0), 1.5, 10);
        // Beyond the dense tokens each costs little more than the one before.
        Assert.InRange((Cost(200_000, 1) - Cost(100_000, 1)) / (Cost(100_000, 1) - Cost(8192, 1)), 1, 1.5);
    }

    [Fact]
    public void PartsOfAPromptCostWhatTheWholeDoes()
    {
        using var engine = Engine.Load(RecallNano);
        var search = PrefillSearch.Of(new IvfPqPolicy(), new IvfPqPolicy().DensePrefill, 50_000, 0.5);
        foreach (int layer in (int[])[0, 2, 4])
        {
            PrefillCost whole = PrefillWork.Cost(engine.Config, layer, 0, 50_000, search, wholeLastLayer: true), sum = default;
            for (int first = 0; first < 50_000; first += 1000)
                sum += PrefillWork.Cost(engine.Config, layer, first, 1000, search, wholeLastLayer: true);
            Assert.Equal(1, sum.Attention / whole.Attention, 9);
            Assert.Equal(1, sum.Matrices / whole.Matrices, 9);
        }
    }
}
