using System.Diagnostics;
using Retrieval.Runtime.Models;
using Retrieval.TestKit;
using Xunit;

namespace Retrieval.Runtime.Tests.Models;

/// <summary>Random damage to small files: they open, or an <see cref="InputException"/> says why not; nothing else happens.</summary>
public sealed class FuzzTests : IDisposable
{
    private const int Rounds = 3000;
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(2);

    private readonly TemporaryFolder _folder = new();

    [Fact]
    public void DamagedGguf()
    {
        var model = new TinyModel { Layers = 1 };
        model.WriteGguf(_folder["m.gguf"], new Dictionary<string, object> { ["tokenizer.ggml.tokens"] = new[] { "a", "b" } });
        Damage(_folder["m.gguf"], headerBytes: 1700, _folder["m.gguf"]);
    }

    [Fact]
    public void DamagedSafetensors()
    {
        new TinyModel { Layers = 1 }.WriteSafetensors(_folder["m"]);
        Damage(Path.Combine(_folder["m"], "model.safetensors"), headerBytes: 1200, _folder["m"]);
    }

    [Fact]
    public void DamagedConfig()
    {
        new TinyModel { Layers = 1, Family = "smollm3", ExtraConfig = """{"rope_scaling": {"type": "yarn", "factor": 4}, "no_rope_layers": [1]}""" }.WriteSafetensors(_folder["m"]);
        string path = Path.Combine(_folder["m"], "config.json");
        Damage(path, headerBytes: (int)new FileInfo(path).Length, _folder["m"]);
    }

    private static void Damage(string file, int headerBytes, string checkpoint)
    {
        byte[] original = File.ReadAllBytes(file);
        var random = new Random(20_240_601);
        var clock = Stopwatch.StartNew();
        int refused = 0, round = 0;
        for (; round < Rounds && clock.Elapsed < Limit; round++)
        {
            byte[] damaged = (byte[])original.Clone();
            for (int i = random.Next(1, 4); i > 0; i--)
            {
                int at = random.Next(Math.Min(headerBytes, damaged.Length));
                // Single bits, extremes, and other bytes of the same file, which keep the text plausible.
                damaged[at] = random.Next(4) switch
                {
                    0 => (byte)(damaged[at] ^ (1 << random.Next(8))),
                    1 => (byte)(random.Next(2) * 255),
                    2 => (byte)random.Next(256),
                    _ => original[random.Next(Math.Min(headerBytes, original.Length))],
                };
            }
            if (random.Next(8) == 0)
                damaged = damaged[..random.Next(damaged.Length)];
            File.WriteAllBytes(file, damaged);
            try
            {
                using Checkpoint opened = Checkpoint.Open(checkpoint);
                RopeFrequencies.InverseFrequencies(opened.Config.Rope, opened.Config.TrainedContext);
            }
            catch (InputException e)
            {
                Assert.NotEmpty(e.Message);
                refused++;
            }
        }
        Assert.True(refused > round / 4, $"only {refused} of {round} damaged files were refused, so the damage misses the header");
    }

    public void Dispose() => _folder.Dispose();
}
