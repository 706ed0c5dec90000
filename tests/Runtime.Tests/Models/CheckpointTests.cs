using System.Runtime.InteropServices;
using Retrieval.Runtime.Models;
using Retrieval.TestKit;
using Xunit;

namespace Retrieval.Runtime.Tests.Models;

/// <summary>Opening by path, and holding tensors against the configuration.</summary>
public sealed class CheckpointTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    [Theory]
    [InlineData("llama", false, true)]
    [InlineData("llama", true, false)]
    [InlineData("mistral", false, false)]
    [InlineData("qwen2", false, true)]
    [InlineData("qwen3", false, true)]
    [InlineData("qwen3", true, true)]
    [InlineData("smollm3", false, true)]
    public void BothFormatsDescribeTheSameModel(string family, bool bias, bool tied)
    {
        var model = new TinyModel { Family = family, AttentionBias = bias, Tied = tied, Layers = 5 };
        model.WriteSafetensors(_folder["hf"]);
        model.WriteGguf(_folder["m.gguf"]);
        using Checkpoint hf = Checkpoint.Open(_folder["hf"]);
        using Checkpoint gguf = Checkpoint.Open(_folder["m.gguf"]);

        Assert.Equal(family, hf.Config.Family);
        Assert.Equal(family == "mistral" ? "llama" : family, gguf.Config.Family);
        Assert.Equal(family.StartsWith('q') ? RopePairs.Halves : RopePairs.Adjacent, gguf.Config.Rope.Pairs);
        Assert.Equal(RopePairs.Halves, hf.Config.Rope.Pairs);
        Assert.Equal((bias || family == "qwen2", bias, family == "qwen3"), (hf.Config.QkvBias, hf.Config.OutputBias, hf.Config.QkNorm));
        Assert.Equal((hf.Config.QkvBias, hf.Config.OutputBias, hf.Config.QkNorm), (gguf.Config.QkvBias, gguf.Config.OutputBias, gguf.Config.QkNorm));
        Assert.Equal([true, true, true, family != "smollm3", true], hf.Config.LayerKinds.Select(k => k.Rotary));
        Assert.Equal(hf.Config.LayerKinds, gguf.Config.LayerKinds);
        Assert.Equal(hf.Tensors.Keys.Order(), gguf.Tensors.Keys.Order());
        Assert.Equal(tied, gguf.Config.TiedEmbeddings);
        foreach (StoredTensor tensor in hf.Tensors.Values)
        {
            Assert.Equal(tensor.Shape, gguf.Get(tensor.Name).Shape);
            if (!tensor.Name.Contains("q_proj") && !tensor.Name.Contains("k_proj"))
                Assert.Equal(Values(tensor), Values(gguf.Get(tensor.Name)));
        }
        Assert.Equal(("tiny " + family, _folder.Path), (gguf.Name, gguf.Folder));
        Assert.Equal(("hf", _folder["hf"]), (hf.Name, hf.Folder));
    }

    [Fact]
    public void ShardsAreReadThroughTheirIndex()
    {
        var model = new TinyModel();
        List<TinyTensor> tensors = model.Tensors();
        TinyCheckpoint.WriteShards(_folder["m"], model.ConfigJson(), [tensors[..7], tensors[7..]]);
        using Checkpoint checkpoint = Checkpoint.Open(_folder["m"]);
        Assert.Equal(tensors.Count, checkpoint.Tensors.Count);
        Assert.Equal(Directory.GetFiles(_folder["m"], "*.safetensors").Sum(f => new FileInfo(f).Length), checkpoint.FileBytes);
        StoredTensor last = checkpoint.Get("model.norm.weight");
        Assert.Equal(tensors[^1].Data, MemoryMarshal.AsBytes<float>(Values(last)).ToArray());
        Checkpoint.Release(last);
        Assert.Equal(tensors[^1].Data, MemoryMarshal.AsBytes<float>(Values(last)).ToArray());
    }

    [Fact]
    public void AFileOpensWithTheConfigBesideIt()
    {
        new TinyModel().WriteSafetensors(_folder["m"]);
        using Checkpoint checkpoint = Checkpoint.Open(Path.Combine(_folder["m"], "model.safetensors"));
        Assert.False(checkpoint.TryGet("model.layers.9.mlp.up_proj.weight", out _));
        Assert.Contains("layers.9", Assert.Throws<InputException>(() => checkpoint.Get("model.layers.9.mlp.up_proj.weight")).Message);
    }

    [Theory]
    [InlineData("missing", "model.layers.1.mlp.up_proj.weight")]
    [InlineData("extra", "2 tensors", "model.layers.7.a.weight")]
    [InlineData("shape", "[32, 64]", "[64, 32]", "mlp.down_proj")]
    [InlineData("dtype", "I32", "model.norm.weight")]
    [InlineData("tied head shape", "lm_head.weight", "[5, 32]", "[48, 32]")]
    public void TensorsMustBeTheModels(string change, params string[] inMessage)
    {
        var model = new TinyModel();
        List<TinyTensor> tensors = model.Tensors();
        switch (change)
        {
            case "missing":
                tensors.RemoveAll(t => t.Name == "model.layers.1.mlp.up_proj.weight");
                break;
            case "extra":
                tensors.Add(TinyTensor.F32("model.layers.7.b.weight", [1], 1));
                tensors.Add(TinyTensor.F32("model.layers.7.a.weight", [1], 1));
                tensors.Add(TinyTensor.F32("model.layers.0.self_attn.rotary_emb.inv_freq", [1], 1));
                break;
            case "shape":
                int down = tensors.FindIndex(t => t.Name.EndsWith("down_proj.weight", StringComparison.Ordinal));
                tensors[down] = tensors[down] with { Shape = [64, 32] };
                break;
            case "dtype":
                tensors[^1] = tensors[^1] with { Type = "I32" };
                break;
            default:
                tensors.Add(TinyTensor.F32("lm_head.weight", new float[160], 5, 32));
                break;
        }
        TinyCheckpoint.WriteSafetensors(_folder["m"], model.ConfigJson(), tensors);
        string message = Assert.Throws<InputException>(() => Checkpoint.Open(_folder["m"])).Message;
        Assert.All(inMessage, part => Assert.Contains(part, message));
    }

    [Fact]
    public void HarmlessExtrasAreLeftAlone()
    {
        var model = new TinyModel();
        List<TinyTensor> tensors = model.Tensors();
        tensors.Add(TinyTensor.F32("model.layers.0.self_attn.rotary_emb.inv_freq", [1, 0.5f], 2));
        tensors.Add(tensors[0] with { Name = "lm_head.weight" });
        TinyCheckpoint.WriteSafetensors(_folder["m"], model.ConfigJson(), tensors);
        using Checkpoint checkpoint = Checkpoint.Open(_folder["m"]);
        Assert.Equal(tensors.Count - 2, checkpoint.Tensors.Count);
    }

    [Fact]
    public void DivisorsOfGgufBecomeConfiguration()
    {
        var model = new TinyModel();
        List<TinyTensor> tensors = model.GgufTensors();
        tensors.Add(TinyTensor.F32("rope_freqs.weight", [1, 1, 4, 8], 4));
        TinyGguf.Write(_folder["m.gguf"], model.GgufMetadata(), tensors);
        using (Checkpoint checkpoint = Checkpoint.Open(_folder["m.gguf"]))
            Assert.Equal([1, 1, 4, 8], checkpoint.Config.Rope.FrequencyDivisors!);

        tensors[^1] = TinyTensor.F32("rope_freqs.weight", [1, 1, 0, 8], 4);
        TinyGguf.Write(_folder["m.gguf"], model.GgufMetadata(), tensors);
        Assert.Contains("holds 0", Assert.Throws<InputException>(() => Checkpoint.Open(_folder["m.gguf"])).Message);
    }

    [Fact]
    public void PathsThatHoldNoModelSaySo()
    {
        Directory.CreateDirectory(_folder["empty"]);
        File.WriteAllText(_folder["x.bin"], "x");
        File.WriteAllText(_folder["empty.gguf"], "");
        File.WriteAllText(_folder["alone.safetensors"], "x");
        Fails(_folder["nowhere"], "nowhere does not exist");
        Fails(_folder["empty"], "model.safetensors");
        Fails(_folder["x.bin"], "x.bin is neither");
        Fails(_folder["empty.gguf"], "0 bytes");
        Fails(_folder["alone.safetensors"], "config.json does not exist");
        Fails(_folder.Path, "empty.gguf");

        static void Fails(string path, string inMessage) =>
            Assert.Contains(inMessage, Assert.Throws<InputException>(() => Checkpoint.Open(path)).Message);
    }

    public void Dispose() => _folder.Dispose();

    private static unsafe float[] Values(StoredTensor tensor) =>
        new ReadOnlySpan<float>((void*)tensor.Data, (int)(tensor.Bytes / 4)).ToArray();
}
