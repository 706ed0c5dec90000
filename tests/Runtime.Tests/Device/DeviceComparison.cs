using System.Numerics.Tensors;
using Retrieval.Runtime.Policies;
using Retrieval.Runtime.Sampling;
using Retrieval.Runtime.Tests.Text;
using Retrieval.TestKit;
using Xunit;

namespace Retrieval.Runtime.Tests.Device;

/// <summary>Runs the same tokens through an engine on the processor and one on the device under test.</summary>
public abstract class DeviceComparison : IDisposable
{
    // Of the largest logit. Rounding noise of 1e-6 turns an element of a stored 16-bit row up or down here and there; the
    // processor path alone moves by as much (1.3e-3 of logits up to 15 in recall-nano) when the prompt is cut into other chunks.
    private const float Tolerance = 1e-3f;

    private protected TemporaryFolder Folder { get; } = new();

    public void Dispose() => Folder.Dispose();

    /// <summary>The options that put an engine on the device under test; skips where there is none.</summary>
    protected abstract EngineOptions OnDevice(EngineOptions options);

    protected static string RecallNano => Path.Combine(SharedFiles.RepositoryRoot, "models", "recall-nano");

    protected static RetrievalPolicy Small(string policy) => policy switch
    {
        "full" => new FullPolicy { Sinks = 4, Window = 23 },
        "streaming" => new StreamingPolicy { Sinks = 4, Window = 23 },
        _ => new ExactPolicy { Sinks = 4, Window = 23, Budget = 12 },
    };

    protected static int[] Tokens(int count, int vocabulary, int seed = 1)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, count).Select(_ => random.Next(vocabulary))];
    }

    protected static double RootMeanSquare(float[] values) => Math.Sqrt(values.Average(v => (double)v * v));

    protected static void AssertClose(ReadOnlySpan<float> expected, ReadOnlySpan<float> actual)
    {
        Assert.Equal(expected.Length, actual.Length);
        float tolerance = Tolerance * Math.Max(1, MathF.Abs(TensorPrimitives.MaxMagnitude(expected)));
        for (int i = 0; i < expected.Length; i++)
            Assert.InRange(actual[i], expected[i] - tolerance, expected[i] + tolerance);
    }

    protected string Write(TinyModel model, bool gguf = false)
    {
        if (gguf)
        {
            model.WriteGguf(Folder["model.gguf"], TinyTokenizer.Pieces());
            return Folder["model.gguf"];
        }
        model.WriteSafetensors(Folder["model"]);
        File.WriteAllText(Folder["model/tokenizer.json"], TinyTokenizer.ByteLevel().ToJsonString());
        return Folder["model"];
    }

    protected (Engine Host, Engine Device) Load(string model, int chunk, ComputeType compute = ComputeType.Float32)
    {
        var options = new EngineOptions { Model = model, Compute = compute, PrefillChunk = chunk, Threads = 2 };
        EngineOptions onDevice = OnDevice(options);
        return (Engine.Load(options), Engine.Load(onDevice));
    }

    protected void AssertSame(string model, int prompt, int chunk, params string[] policies)
    {
        (Engine host, Engine device) = Load(model, chunk);
        using (host)
        using (device)
        {
            int[] tokens = Tokens(prompt, host.Config.Vocabulary);
            foreach (string policy in policies is [] ? ["full", "streaming", "exact"] : policies)
            {
                using Session expected = host.NewSession(Small(policy)), actual = device.NewSession(Small(policy));
                expected.Append(tokens);
                actual.Append(tokens);
                for (int i = 0; i < 8; i++)
                {
                    AssertClose(expected.Logits, actual.Logits);
                    int token = Sampler.ArgMax(expected.Logits);
                    expected.Append([token]);
                    actual.Append([token]);
                }
                expected.Append(tokens.AsSpan(0, 60));
                actual.Append(tokens.AsSpan(0, 60));
                AssertClose(expected.Logits, actual.Logits);
            }
        }
    }
}
