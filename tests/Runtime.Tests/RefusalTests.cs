using Retrieval.TestKit;
using Xunit;

namespace Retrieval.Runtime.Tests;

/// <summary>What cannot work is refused with a sentence that says why, not answered.</summary>
public sealed class RefusalTests
{
    [Fact]
    public void WeightsThatAreNotNumbersAreRefused()
    {
        using var folder = new TemporaryFolder();
        string model = folder["model"];
        new TinyModel().WriteSafetensors(model);
        TinyVocabulary.WriteJson(model);
        string file = Path.Combine(model, "model.safetensors");
        byte[] bytes = File.ReadAllBytes(file);
        int data = 8 + (int)BitConverter.ToInt64(bytes);
        bytes.AsSpan(data).Fill(0xFF);
        File.WriteAllBytes(file, bytes);

        using var engine = Engine.Load(new EngineOptions { Model = model, Compute = ComputeType.Float32 });
        using Session session = engine.NewSession();
        var problem = Assert.Throws<InputException>(() => session.Append([1, 2, 3]));
        Assert.Contains("not finite", problem.Message);
        Assert.Equal(0, session.Length);
    }

    [Fact]
    public void MoreMemoryThanThereIsIsRefusedWithBothNumbers()
    {
        HostMemory.Demand(1 << 20, "A small thing");
        var problem = Assert.Throws<InsufficientMemoryException>(() => HostMemory.Demand(1L << 60, "A large thing"));
        Assert.Contains("A large thing needs 1152921504.6 GB", problem.Message);
        Assert.InRange(HostMemory.Available, 1 << 26, HostMemory.Total);
    }

    [Fact]
    public void ALongSlidingSessionSaysHowFarItCanBeRewound()
    {
        using var engine = Engine.Load(new EngineOptions
        {
            Model = Path.Combine(SharedFiles.RepositoryRoot, "models", "recall-nano"),
            Compute = ComputeType.Float32,
        });
        using Session session = engine.NewSession();
        session.Append([.. Enumerable.Range(0, 6000).Select(i => 3 + i % 2000)]);
        Assert.True(session.CanRewindTo(0));
        Assert.True(session.CanRewindTo(5000));
        Assert.False(session.CanRewindTo(100));
        Assert.Throws<InputException>(() => session.RewindTo(100));
        session.RewindTo(0);
        session.Append([5, 6, 7]);
        Assert.Equal(3, session.Length);
    }
}
