using Retrieval.Runtime.Models;
using Retrieval.TestKit;
using Xunit;

namespace Retrieval.Runtime.Tests.Models;

/// <summary>Published files open with the sizes their model cards state.</summary>
public sealed class RealCheckpointTests
{
    [Fact]
    public void RecallNanoIsReadFromItsFolder()
    {
        using Checkpoint checkpoint = Checkpoint.Open(Path.Combine(SharedFiles.RepositoryRoot, "models", "recall-nano"));
        ModelConfig config = checkpoint.Config;
        Assert.Equal(("smollm3", 5, 128, 384), (config.Family, config.Layers, config.Hidden, config.Ffn));
        Assert.Equal((4, 2, 64, 2048), (config.Heads, config.KvHeads, config.HeadDim, config.Vocabulary));
        Assert.Equal([true, true, false, true, false], config.LayerKinds.Select(k => k.Rotary));
        Assert.Equal([128, 128, null, 128, null], config.LayerKinds.Select(k => k.SlidingWindow));
        Assert.Equal((10_000f, RopePairs.Halves, 64), (config.Rope.Theta, config.Rope.Pairs, config.Rope.Dimensions));
        Assert.True(config.TiedEmbeddings);
        Assert.Equal(1_048_576, config.TrainedContext);
        Assert.Equal("recall-nano", checkpoint.Name);
        Assert.Equal(47, checkpoint.Tensors.Count);
        Assert.Same(checkpoint.Get("model.embed_tokens.weight"), checkpoint.Get("lm_head.weight"));
        Assert.Equal(2_989_704, checkpoint.FileBytes);
    }

    [SkippableFact]
    public void SmolLm2IsReadFromGguf()
    {
        string? path = SharedFiles.Find("models/smollm2-135m-instruct/SmolLM2-135M-Instruct.Q4_1.gguf");
        Skip.If(path is null, "the SmolLM2 GGUF file is not on this machine");
        using Checkpoint checkpoint = Checkpoint.Open(path);
        ModelConfig config = checkpoint.Config;
        Assert.Equal(("llama", 30, 576, 1536), (config.Family, config.Layers, config.Hidden, config.Ffn));
        Assert.Equal((9, 3, 64, 49_152), (config.Heads, config.KvHeads, config.HeadDim, config.Vocabulary));
        Assert.Equal((100_000f, RopePairs.Adjacent, RopeScaling.None), (config.Rope.Theta, config.Rope.Pairs, config.Rope.Scaling));
        Assert.Equal(8192, config.TrainedContext);
        Assert.True(config.TiedEmbeddings);
        Assert.Equal([2], config.EosTokens);
        Assert.Equal(TensorType.Q4_1, checkpoint.Get("model.layers.7.mlp.down_proj.weight").Type);
        Assert.Equal([576, 1536], checkpoint.Get("model.layers.7.mlp.down_proj.weight").Shape);
        Assert.Equal(49_152, Assert.IsType<string[]>(checkpoint.GgufMetadata!["tokenizer.ggml.tokens"]).Length);
        Assert.Equal(98_362_432, checkpoint.FileBytes);
    }

    [SkippableFact]
    public void Stories260KKeepsItsOwnHead()
    {
        string? path = SharedFiles.Find("models/stories260K/stories260K.gguf");
        Skip.If(path is null, "stories260K.gguf is not on this machine");
        using Checkpoint checkpoint = Checkpoint.Open(path);
        Assert.Equal((5, 8, 4, 8, 512), (checkpoint.Config.Layers, checkpoint.Config.Heads, checkpoint.Config.KvHeads, checkpoint.Config.HeadDim, checkpoint.Config.Vocabulary));
        Assert.Equal(2048, checkpoint.Config.TrainedContext);
        Assert.False(checkpoint.Config.TiedEmbeddings);
        Assert.Equal([512, 64], checkpoint.Get("lm_head.weight").Shape);
    }

    [SkippableFact]
    public void TinyStoriesStoresTheTiedEmbeddingUnderTheHeadsName()
    {
        string? path = SharedFiles.Find("models/tinystories-656K");
        Skip.If(path is null, "tinystories-656K is not on this machine");
        using Checkpoint checkpoint = Checkpoint.Open(path);
        Assert.True(checkpoint.Config.TiedEmbeddings);
        Assert.Equal([2048, 128], checkpoint.Get("model.embed_tokens.weight").Shape);
        Assert.Equal([2048, 128], checkpoint.Get("lm_head.weight").Shape);
        Assert.Equal([2], checkpoint.Config.EosTokens);
    }

    [SkippableFact]
    public unsafe void GgufWeightsEqualTheOriginalsBitForBit()
    {
        string? gguf = SharedFiles.Find("models/stories260K/stories260K.gguf");
        string? original = SharedFiles.Find("models/stories260K/stories260K.bin");
        Skip.If(gguf is null || original is null, "stories260K is not on this machine in both formats");
        using Checkpoint checkpoint = Checkpoint.Open(gguf);
        // The original has seven 32-bit sizes, the embedding, and then the attention norms of all layers.
        byte[] bytes = File.ReadAllBytes(original);
        StoredTensor embedding = checkpoint.Get("model.embed_tokens.weight");
        StoredTensor norm = checkpoint.Get("model.layers.1.input_layernorm.weight");
        Assert.True(new ReadOnlySpan<byte>((void*)embedding.Data, 512 * 64 * 4).SequenceEqual(bytes.AsSpan(28, 512 * 64 * 4)));
        Assert.True(new ReadOnlySpan<byte>((void*)norm.Data, 64 * 4).SequenceEqual(bytes.AsSpan(28 + 512 * 64 * 4 + 64 * 4, 64 * 4)));
    }
}
