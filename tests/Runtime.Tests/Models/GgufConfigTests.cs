using Retrieval.Runtime.Models;
using Retrieval.TestKit;
using Xunit;

namespace Retrieval.Runtime.Tests.Models;

/// <summary>What GGUF metadata means, and how wrong metadata is refused.</summary>
public sealed class GgufConfigTests
{
    private static ModelConfig Read(params (string Key, object? Value)[] changes)
    {
        Dictionary<string, object> values = new TinyModel().GgufMetadata();
        foreach ((string key, object? value) in changes)
        {
            if (value is null)
                values.Remove(key);
            else
                values[key] = value;
        }
        return GgufConfig.Read(new Settings(values, "m.gguf"), new Dictionary<string, FileTensor>());
    }

    [Fact]
    public void DefaultsFillWhatOldFilesLeaveOut()
    {
        ModelConfig config = Read(
            ("llama.attention.head_count_kv", null), ("llama.attention.key_length", null), ("llama.attention.value_length", null),
            ("llama.rope.freq_base", null), ("llama.rope.dimension_count", null), ("llama.vocab_size", null),
            ("tokenizer.ggml.tokens", new[] { "a", "b", "c" }), ("tokenizer.ggml.eos_token_id", 2u), ("tokenizer.ggml.bos_token_id", uint.MaxValue));
        Assert.Equal((4, 8, 10_000f, 8, 3), (config.KvHeads, config.HeadDim, config.Rope.Theta, config.Rope.Dimensions, config.Vocabulary));
        Assert.Null(config.BosToken);
        Assert.Equal([2], config.EosTokens);
    }

    [Fact]
    public void PerLayerListsMayRepeatOneSize() =>
        Assert.Equal(2, Read(("llama.attention.head_count_kv", new[] { 2, 2 })).KvHeads);

    [Fact]
    public void YarnTakesItsKeys()
    {
        RopeConfig rope = Read(
            ("llama.rope.scaling.type", "yarn"), ("llama.rope.scaling.factor", 4f), ("llama.rope.scaling.original_context_length", 64u),
            ("llama.rope.scaling.yarn_beta_fast", 16f), ("llama.rope.scaling.attn_factor", 0.5f)).Rope;
        Assert.Equal((RopeScaling.Yarn, 4f, 64, 16f, 1f), (rope.Scaling, rope.Factor, rope.OriginalContext, rope.BetaFast, rope.BetaSlow));
        // llama.cpp multiplies its factor onto 0.1 ln 4 + 1.
        Assert.Equal(0.5 * 1.13862944, rope.AttentionFactor!.Value, 6);
    }

    [Fact]
    public void ScalingRaisesTheTrainedContext()
    {
        int plain = Read().TrainedContext;
        Assert.Equal(4 * plain, Read(("llama.rope.scaling.type", "yarn"), ("llama.rope.scaling.factor", 4f)).TrainedContext);
        Assert.Equal(2 * plain, Read(("llama.rope.scaling.factor", 2f)).TrainedContext);
        // The file's own length may be the scaled one already.
        Assert.Equal(plain, Read(("llama.rope.scaling.type", "yarn"), ("llama.rope.scaling.factor", 2f), ("llama.rope.scaling.original_context_length", (uint)plain / 2)).TrainedContext);
    }

    [Fact]
    public void YarnWithoutExtrapolationIsLinear()
    {
        (string, object?)[] yarn = [("llama.rope.scaling.type", "yarn"), ("llama.rope.scaling.factor", 4f)];
        RopeConfig none = Read([.. yarn, ("llama.rope.scaling.yarn_ext_factor", 0f)]).Rope, linear = Read(("llama.rope.scaling.factor", 4f)).Rope;
        RopeConfig standard = Read([.. yarn, ("llama.rope.scaling.yarn_ext_factor", -1f)]).Rope, plain = Read(yarn).Rope;

        Assert.Equal(RopeFrequencies.InverseFrequencies(linear, 1), RopeFrequencies.InverseFrequencies(none, 1));
        Assert.Equal(1, RopeFrequencies.Magnitude(none));
        Assert.Equal(plain, standard);
        Assert.NotEqual(RopeFrequencies.InverseFrequencies(linear, 1), RopeFrequencies.InverseFrequencies(plain, 1));
    }

    [Fact]
    public void LinearScalingHasTwoSpellings()
    {
        Assert.Equal((RopeScaling.Linear, 2f), Scaling(Read(("llama.rope.scale_linear", 2f)).Rope));
        Assert.Equal((RopeScaling.Linear, 2f), Scaling(Read(("llama.rope.scaling.factor", 2f)).Rope));
        Assert.Equal((RopeScaling.None, 1f), Scaling(Read(("llama.rope.scaling.type", "none"), ("llama.rope.scaling.factor", 2f)).Rope));

        static (RopeScaling, float) Scaling(RopeConfig rope) => (rope.Scaling, rope.Factor);
    }

    public static TheoryData<string, object?, string> Wrong => new()
    {
        { "general.architecture", "gemma3", "llama, qwen2, qwen3, smollm3" },
        { "general.architecture", "mistral", "\"mistral\"" },
        { "general.architecture", null, "has no general.architecture" },
        { "general.architecture", 4u, "general.architecture is 4" },
        { "llama.block_count", null, "has no llama.block_count" },
        { "llama.block_count", 0u, "llama.block_count is 0" },
        { "llama.block_count", uint.MaxValue, "4294967295" },
        { "llama.block_count", ulong.MaxValue, "18446744073709551615" },
        { "llama.embedding_length", -1, "llama.embedding_length is -1" },
        { "llama.embedding_length", "wide", "\"wide\"" },
        { "llama.context_length", 1L << 40, "1099511627776" },
        { "llama.attention.head_count_kv", new[] { 2, 4 }, "[2, 4]" },
        { "llama.attention.head_count_kv", 3u, "3 KV heads" },
        { "llama.attention.value_length", 16u, "value_length is 16" },
        { "llama.attention.layer_norm_rms_epsilon", float.NaN, "NaN" },
        { "llama.rope.dimension_count", 10u, "10 rotated dimensions" },
        { "llama.rope.dimension_count", 3u, "3 rotated dimensions" },
        { "llama.rope.freq_base", float.PositiveInfinity, "Infinity" },
        { "llama.rope.scaling.type", "longrope", "longrope" },
        { "llama.rope.scaling.attn_factor", 2f, "attn_factor is 2" },
        { "llama.expert_count", 8u, "llama.expert_count is 8" },
        { "llama.attention.causal", false, "attention.causal is false" },
        { "tokenizer.ggml.eos_token_id", 48u, "special token 48" },
        { "split.count", (ushort)3, "split.count is 3" },
    };

    [Theory]
    [MemberData(nameof(Wrong))]
    public void WrongMetadataIsRefused(string key, object? value, string inMessage)
    {
        string message = Assert.Throws<InputException>(() => Read((key, value))).Message;
        Assert.Contains(inMessage, message);
        Assert.Contains("m.gguf", message);
    }
}
