using Retrieval.Offload;
using Retrieval.Runtime.Policies;
using Retrieval.Runtime.Tests.Text;
using Retrieval.Runtime.Torch;
using Retrieval.TestKit;
using TorchSharp;
using Xunit;

namespace Retrieval.Runtime.Tests.Device;

/// <summary>
/// What a GPU runs equals what the processor runs: logits of prompts and of generated tokens, for every policy and kind of layer,
/// through rewinds and forks. Sinks and window are small and chunks odd, so that rings wrap and blocks meet.
/// </summary>
public abstract class DevicePathTests : DeviceComparison
{
    public static TheoryData<string> Policies => ["full", "streaming", "exact"];

    /// <summary>Family, GGUF (rope over adjacent pairs for llama) or not, further keys of config.json.</summary>
    public static TheoryData<string, bool, string> Models => new()
    {
        { "llama", false, "{}" },
        { "llama", true, "{}" },
        { "qwen2", false, "{}" },
        { "qwen3", false, "{}" },
        { "mistral", false, """{"sliding_window": 40}""" },
        { "smollm3", false, """{"no_rope_layers": [1, 0], "rope_scaling": {"type": "yarn", "factor": 4}}""" },
    };

    [SkippableFact]
    public void SlidingAndUnrotatedLayers() => AssertSame(RecallNano, prompt: 300, chunk: 77);

    /// <summary>Earlier rows and the rows of a chunk are both more than one block.</summary>
    [SkippableFact]
    public void ManyBlocks()
        => AssertSame(RecallNano, prompt: 2 * KvTransfer.BlockRows + 700, chunk: KvTransfer.BlockRows + 400, "exact");

    [SkippableTheory]
    [MemberData(nameof(Models))]
    public void Families(string family, bool gguf, string extra)
    {
        bool bias = family is "llama" && !gguf;
        var model = new TinyModel { Family = family, AttentionBias = bias, Tied = !gguf, Vocabulary = 300, ExtraConfig = extra };
        AssertSame(Write(model, gguf), prompt: 120, chunk: 50);
    }

    [SkippableTheory]
    [MemberData(nameof(Policies))]
    public void RewindAndFork(string policy)
    {
        const string Sliding = """
            {"layer_types": ["sliding_attention", "full_attention"], "sliding_window": 20, "use_sliding_window": true}
            """;
        (Engine host, Engine device) = Load(Write(new TinyModel { Family = "smollm3", ExtraConfig = Sliding }), 32);
        using (host)
        using (device)
        {
            using Session expected = host.NewSession(Small(policy)), actual = device.NewSession(Small(policy));
            Both(s => s.Append(Tokens(100, 48)));
            Both(s => s.RewindTo(83));
            Both(s => s.Append([5]));
            Both(s => s.RewindTo(3));
            Both(s => s.Append(Tokens(70, 48, seed: 2)));
            using Session expectedFork = expected.Fork(), actualFork = actual.Fork(new FullPolicy { Sinks = 2, Window = 9 });
            using Session expectedFull = expected.Fork(new FullPolicy());
            Both(s => s.Append([7]));
            expectedFull.Append(Tokens(20, 48, seed: 3));
            actualFork.Append(Tokens(20, 48, seed: 3));
            AssertClose(expectedFull.Logits, actualFork.Logits);

            void Both(Action<Session> action)
            {
                action(expected);
                action(actual);
                if (expected.Length > 3)
                    AssertClose(Next(expected), Next(actual));
            }

            // One more token and back, because a rewind leaves no logits.
            float[] Next(Session session)
            {
                int length = session.Length;
                session.Append([11]);
                float[] logits = session.Logits.ToArray();
                session.RewindTo(length);
                return logits;
            }
        }
    }

    [SkippableFact]
    public void CancelledPromptLeavesNoTrace()
    {
        (Engine host, Engine device) = Load(Write(new TinyModel()), 16);
        using (host)
        using (device)
        {
            using Session expected = host.NewSession(Small("exact")), actual = device.NewSession(Small("exact"));
            expected.Append(Tokens(60, 48));
            actual.Append(Tokens(60, 48));
            using var cancel = new CancellationTokenSource();
            int[] cancelled = Tokens(90, 48, seed: 2);
            Assert.Throws<OperationCanceledException>(() => actual.Append(cancelled, new CancelAt(0.3, cancel), cancel.Token));
            int[] more = Tokens(50, 48, seed: 3);
            expected.Append(more);
            actual.Append(more);
            AssertClose(expected.Logits, actual.Logits);
        }
    }

    [SkippableFact]
    public void ScoresAreEqual()
    {
        (Engine host, Engine device) = Load(Write(new TinyModel { Family = "qwen3" }), 32);
        using (host)
        using (device)
        {
            using Session expected = host.NewSession(), actual = device.NewSession();
            AssertClose(expected.Score(Tokens(100, 48)), actual.Score(Tokens(100, 48)));
        }
    }

    [SkippableFact]
    public void QuantisedWeightsAreWidened()
    {
        string path = Folder["q8.gguf"];
        var model = new TinyModel { Tied = false, Vocabulary = 300 };
        Dictionary<string, object> metadata = model.GgufMetadata().Concat(TinyTokenizer.Pieces()).ToDictionary();
        TinyGguf.Write(path, metadata, [.. model.GgufTensors().Select(QuantisedTensor.Q8)]);
        AssertSame(path, prompt: 60, chunk: 32, "exact");
    }

    [SkippableFact]
    public void BFloat16IsCloseToFloat32()
    {
        (Engine host, Engine device) = Load(RecallNano, 128, ComputeType.BFloat16);
        using (host)
        using (device)
        {
            using Session expected = host.NewSession(), actual = device.NewSession();
            int[] prompt = Tokens(200, host.Config.Vocabulary);
            expected.Append(prompt);
            actual.Append(prompt);
            float[] reference = expected.Logits.ToArray(), logits = actual.Logits.ToArray();
            float[] difference = [.. reference.Zip(logits, (a, b) => a - b)];
            Assert.InRange(RootMeanSquare(difference), 0, 0.05 * RootMeanSquare(reference));
        }
    }

    [SkippableFact]
    public void MemoryIsCounted()
    {
        (Engine host, Engine device) = Load(Write(new TinyModel()), 16);
        using (host)
        using (device)
        {
            Assert.Equal(host.WeightBytes, device.WeightBytes);
            using Session session = device.NewSession(new FullPolicy { Sinks = 4, Window = 12 });
            long empty = session.Memory.DeviceBytes;
            session.Append(Tokens(40, 48));
            Assert.Equal((4 + 12) * 2 * 2 * 2 * 8 * 2, session.Memory.DeviceBytes - empty);
            // 39 tokens are prefill and 1 is a step; keys and values of 2 layers, 2 heads, 8 floats.
            Assert.Equal(40 * 2 * 2 * 2 * 8 * 4, device.Transfers.BytesToHost);
            Assert.True(device.Transfers.BytesToDevice > 0);
            using Session same = host.NewSession();
            same.Append(Tokens(40, 48));
            Assert.Equal(same.Memory.HostKvBytes, session.Memory.HostKvBytes);
        }
    }

    [SkippableFact]
    public void StepsLeaveNoTensorsBehind()
    {
        (Engine host, Engine device) = Load(Write(new TinyModel()), 16);
        using (host)
        using (device)
        {
            using Session session = device.NewSession(Small("exact"));
            session.Append(Tokens(20, 48));
            long before = DisposeScopeManager.Statistics.ThreadTotalLiveCount;
            for (int i = 0; i < 200; i++)
                session.Append([i % 48]);
            Assert.Equal(before, DisposeScopeManager.Statistics.ThreadTotalLiveCount);
            session.RewindTo(100);
            session.Append(Tokens(50, 48));
            Assert.Equal(before, DisposeScopeManager.Statistics.ThreadTotalLiveCount);
        }
    }

    private sealed class CancelAt(double fraction, CancellationTokenSource source) : IProgress<PrefillProgress>
    {
        public void Report(PrefillProgress value)
        {
            if (value.Fraction >= fraction)
                source.Cancel();
        }
    }
}

/// <summary>The device path on libtorch's CPU device.</summary>
public sealed class ProcessorDeviceTests : DevicePathTests
{
    protected override EngineOptions OnDevice(EngineOptions options) => options with { SeparateDevice = true };
}

/// <summary>The device path on a GPU.</summary>
public sealed class CudaDeviceTests : DevicePathTests
{
    protected override EngineOptions OnDevice(EngineOptions options)
    {
        bool available = LibtorchLoader.Load().CudaAvailable;
        Skip.IfNot(available, "libtorch sees no CUDA device (a CUDA build belongs in the folder libtorch beside the tests).");
        return options with { Device = "cuda" };
    }
}
