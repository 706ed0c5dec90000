using Retrieval.Runtime.Models;
using Retrieval.TestKit;
using Xunit;

namespace Retrieval.Runtime.Tests.Models;

/// <summary>KEY=VALUE changes to a configuration.</summary>
public sealed class OverrideTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public OverrideTests()
    {
        new TinyModel().WriteSafetensors(_folder["hf"]);
        new TinyModel().WriteGguf(_folder["m.gguf"]);
    }

    private Checkpoint Open(string name, params (string Key, string Value)[] overrides) =>
        Checkpoint.Open(_folder[name], overrides.ToDictionary(o => o.Key, o => o.Value));

    [Fact]
    public void JsonKeysTakeJsonValuesAndTypedText()
    {
        using Checkpoint checkpoint = Open("hf", ("max_position_embeddings", "512"), ("rope_theta", "float:5e5"), ("eos_token_id", "[1, 2]"),
            ("rope_scaling", """{"type": "linear", "factor": 2}"""), ("num_key_value_heads", "int:2"));
        Assert.Equal((1024, 500_000f, RopeScaling.Linear), (checkpoint.Config.TrainedContext, checkpoint.Config.Rope.Theta, checkpoint.Config.Rope.Scaling));
        Assert.Equal([1, 2], checkpoint.Config.EosTokens);
    }

    [Fact]
    public void NestedKeysHaveDots()
    {
        using Checkpoint checkpoint = Open("hf", ("rope_scaling.type", "linear"), ("rope_scaling.factor", "4"));
        Assert.Equal(4, checkpoint.Config.Rope.Factor);
    }

    [Fact]
    public void GgufValuesTakeTheFilesTypes()
    {
        using Checkpoint checkpoint = Open("m.gguf", ("llama.context_length", "int:1024"), ("llama.rope.freq_base", "5"), ("general.name", "str:7"),
            ("tokenizer.ggml.eos_token_id", "3"));
        Assert.Equal((1024, 5f, "7"), (checkpoint.Config.TrainedContext, checkpoint.Config.Rope.Theta, checkpoint.Name));
        Assert.Equal(1024u, checkpoint.GgufMetadata!["llama.context_length"]);
        Assert.Equal(3u, checkpoint.GgufMetadata["tokenizer.ggml.eos_token_id"]);
        Assert.Equal([3], checkpoint.Config.EosTokens);
    }

    [Theory]
    [InlineData("hf", "rope_tehta", "1", "rope_tehta", "rope_theta")]
    [InlineData("hf", "rope_theta", "int:x", "rope_theta=int:x")]
    [InlineData("hf", "rope_theta", "high", "rope_theta is \"high\"")]
    [InlineData("hf", "rope_scaling", "{oops", "rope_scaling={oops")]
    [InlineData("hf", "hidden_size", "64", "[48, 64]", "[48, 32]")]
    [InlineData("m.gguf", "llama.contxt_length", "1", "llama.contxt_length", "llama.context_length")]
    [InlineData("m.gguf", "llama.context_length", "-1", "llama.context_length=-1")]
    [InlineData("m.gguf", "llama.context_length", "1.5", "llama.context_length=1.5")]
    [InlineData("m.gguf", "llama.context_length", "true", "llama.context_length=true")]
    [InlineData("m.gguf", "llama.context_length", "[1]", "llama.context_length=[1]")]
    [InlineData("m.gguf", "general.name", "7", "general.name=7", "String")]
    public void WrongOverridesAreRefused(string file, string key, string value, params string[] inMessage)
    {
        string message = Assert.Throws<InputException>(() => Open(file, (key, value))).Message;
        Assert.All(inMessage, part => Assert.Contains(part, message));
    }

    public void Dispose() => _folder.Dispose();
}
