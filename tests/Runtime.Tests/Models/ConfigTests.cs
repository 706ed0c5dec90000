using Retrieval.Runtime.Models;
using Retrieval.TestKit;
using Xunit;

namespace Retrieval.Runtime.Tests.Models;

/// <summary>What configuration keys mean, family by family, and how wrong ones are refused.</summary>
public sealed class ConfigTests
{
    private static Settings Json(string extra, string family = "llama") => new(Values(extra, family), "config.json");

    private static Dictionary<string, object> Values(string extra, string family = "llama")
    {
        var values = new Dictionary<string, object>();
        var model = new TinyModel { Family = family, Layers = 8, ExtraConfig = extra };
        JsonText.Parse(System.Text.Encoding.UTF8.GetBytes(model.ConfigJson()), "config", 64, root => ConfigJson.Flatten(root, "", values));
        return values;
    }

    private static ModelConfig Read(string extra, string family = "llama") => HuggingFaceConfig.Read(Json(extra, family));

    [Theory]
    [InlineData("mistral", """{"sliding_window": 7}""", "77777777")]
    [InlineData("mistral", """{"sliding_window": null}""", "--------")]
    [InlineData("llama", """{"sliding_window": 7}""", "--------")]
    [InlineData("qwen2", """{"sliding_window": 7, "max_window_layers": 5}""", "--------")]
    [InlineData("qwen2", """{"sliding_window": 7, "max_window_layers": 5, "use_sliding_window": true}""", "-----777")]
    [InlineData("qwen3", """{"sliding_window": 7, "max_window_layers": 0, "use_sliding_window": true}""", "77777777")]
    [InlineData("smollm3", """{"sliding_window": 7}""", "---n---n")]
    [InlineData("smollm3", """{"sliding_window": 7, "use_sliding_window": true}""", "---N---N")]
    [InlineData("smollm3", """{"no_rope_layer_interval": 2}""", "-n-n-n-n")]
    [InlineData("smollm3", """{"no_rope_layers": [1,0,1,1,1,1,1,0,0,0]}""", "-n-----n")]
    [InlineData("smollm3", """{"sliding_window": 7, "use_sliding_window": true, "no_rope_layers": [1,1,1,1,1,1,0,0], "layer_types": ["full_attention","sliding_attention","full_attention","full_attention","full_attention","full_attention","sliding_attention","full_attention"]}""", "-7----Nn")]
    public void LayersRotateAndSeeAsTheFamilySays(string family, string extra, string expected)
    {
        // 7: rotates, window; -: rotates, all; n: no positions, all; N: no positions, window.
        string layers = string.Concat(Read(extra, family).LayerKinds.Select(k => (k.Rotary, k.SlidingWindow) switch
        {
            (true, 7) => '7',
            (true, null) => '-',
            (false, null) => 'n',
            (false, 7) => 'N',
            _ => '?',
        }));
        Assert.Equal(expected, layers);
    }

    [Fact]
    public void DefaultsFillWhatOldFilesLeaveOut()
    {
        Dictionary<string, object> values = Values("{}");
        foreach (string key in new[] { "num_key_value_heads", "head_dim", "rope_theta", "hidden_act", "tie_word_embeddings", "attention_bias" })
            values.Remove(key);
        ModelConfig config = HuggingFaceConfig.Read(new Settings(values, "config.json"));
        Assert.Equal((4, 8, 10_000f, false, false), (config.KvHeads, config.HeadDim, config.Rope.Theta, config.TiedEmbeddings, config.QkvBias));

        values["model_type"] = "smollm3";
        config = HuggingFaceConfig.Read(new Settings(values, "config.json"));
        Assert.Equal((2_000_000f, true), (config.Rope.Theta, config.TiedEmbeddings));
    }

    [Theory]
    [InlineData("""{"eos_token_id": [3, 4], "bos_token_id": 1}""", 1, 3, 4)]
    [InlineData("""{"eos_token_id": 5}""", null, 5)]
    [InlineData("""{"eos_token_id": -1, "bos_token_id": null}""", null)]
    public void SpecialTokensAreOneOrMany(string extra, int? bos, params int[] eos)
    {
        ModelConfig config = Read(extra);
        Assert.Equal(bos, config.BosToken);
        Assert.Equal(eos, config.EosTokens);
    }

    [Theory]
    [InlineData("""{"model_type": "gpt2"}""", "model_type", "\"gpt2\"", "llama, mistral, qwen2, qwen3, smollm3")]
    [InlineData("""{"model_type": null}""", "has no model_type")]
    [InlineData("""{"hidden_size": null}""", "has no hidden_size")]
    [InlineData("""{"hidden_size": "big"}""", "hidden_size is \"big\"", "whole number")]
    [InlineData("""{"hidden_size": 0}""", "hidden_size is 0")]
    [InlineData("""{"hidden_size": -5}""", "hidden_size is -5")]
    [InlineData("""{"hidden_size": 32.5}""", "32.5")]
    [InlineData("""{"hidden_size": 1e300}""", "1E+300")]
    [InlineData("""{"num_hidden_layers": 99999999999999999999}""", "num_hidden_layers", "1E+20")]
    [InlineData("""{"num_hidden_layers": 2147483647}""", "2147483647", "1,024")]
    [InlineData("""{"vocab_size": 1000000000}""", "vocab_size", "1000000000")]
    [InlineData("""{"num_key_value_heads": 3}""", "4 heads", "3 KV heads")]
    [InlineData("""{"head_dim": 7}""", "head dimension 7")]
    [InlineData("""{"head_dim": null, "hidden_size": 30}""", "hidden_size 30", "num_attention_heads 4")]
    [InlineData("""{"num_attention_heads": 4096, "num_key_value_heads": 1, "head_dim": 4096}""", "4096 heads of 4096")]
    [InlineData("""{"rms_norm_eps": 0}""", "rms_norm_eps is 0")]
    [InlineData("""{"hidden_act": "gelu"}""", "hidden_act", "gelu", "silu")]
    [InlineData("""{"mlp_bias": true}""", "mlp_bias is true")]
    [InlineData("""{"num_local_experts": 8}""", "num_local_experts is 8")]
    [InlineData("""{"quantization_config": {"quant_method": "gptq"}}""", "quantization_config", "gptq")]
    [InlineData("""{"tie_word_embeddings": "yes"}""", "tie_word_embeddings is \"yes\"")]
    [InlineData("""{"eos_token_id": 48}""", "special token 48", "vocabulary of 48")]
    [InlineData("""{"rope_theta": 0}""", "rope_theta is 0")]
    [InlineData("""{"layer_types": ["full_attention"]}""", "layer_types", "it has 1")]
    [InlineData("""{"layer_types": ["chunked_attention",0,0,0,0,0,0,0]}""", "chunked_attention")]
    [InlineData("""{"layer_types": ["sliding_attention",0,0,0,0,0,0,0]}""", "layer 0", "sliding_window")]
    [InlineData("""{"rope_scaling": {"type": "longrope"}}""", "longrope", "yarn")]
    [InlineData("""{"rope_scaling": {"type": "linear"}}""", "has no rope_scaling.factor")]
    [InlineData("""{"rope_scaling": {"type": "linear", "factor": 0.5}}""", "rope_scaling.factor is 0.5")]
    [InlineData("""{"rope_scaling": {"rope_type": "llama3", "factor": 8}}""", "original_max_position_embeddings")]
    [InlineData("""{"rope_scaling": {"rope_type": "llama3", "factor": 8, "low_freq_factor": 4, "high_freq_factor": 4, "original_max_position_embeddings": 64}}""", "high_freq_factor is 4")]
    [InlineData("""{"rope_scaling": {"type": "yarn", "factor": 4, "beta_fast": 1, "beta_slow": 2}}""", "beta_fast is 1")]
    [InlineData("""{"rope_parameters": {"full_attention": {"rope_theta": 1}}}""", "layer type")]
    public void WrongConfigurationsAreRefused(string extra, params string[] inMessage)
    {
        string message = Assert.Throws<InputException>(() => Read(extra)).Message;
        Assert.All(inMessage, part => Assert.Contains(part, message));
        Assert.Contains("config.json", message);
    }

    [Theory]
    [InlineData("smollm3", """{"no_rope_layers": [1, 0]}""", "no_rope_layers is [1, 0]")]
    [InlineData("smollm3", """{"no_rope_layers": [1, 0, 2, 1, 1, 1, 1, 1]}""", "no_rope_layers is 2")]
    [InlineData("qwen2", """{"use_sliding_window": true, "sliding_window": -1}""", "sliding_window is -1")]
    public void WrongLayerKindsAreRefused(string family, string extra, string inMessage) =>
        Assert.Contains(inMessage, Assert.Throws<InputException>(() => Read(extra, family)).Message);

    [Fact]
    public void MistralMustSayWhetherItHasAWindow()
    {
        Dictionary<string, object> values = Values("{}", "mistral");
        values.Remove("sliding_window");
        Assert.Contains("sliding_window", Assert.Throws<InputException>(() => HuggingFaceConfig.Read(new Settings(values, "config.json"))).Message);
    }

    [Fact]
    public void ScalingIsReadUnderEitherName()
    {
        RopeConfig yarn = Read("""{"rope_scaling": {"type": "yarn", "factor": 4.0, "original_max_position_embeddings": 256}}""").Rope;
        Assert.Equal((RopeScaling.Yarn, 4f, 256, 32f, 1f, (float?)null, true),
            (yarn.Scaling, yarn.Factor, yarn.OriginalContext, yarn.BetaFast, yarn.BetaSlow, yarn.AttentionFactor, yarn.WholeBounds));

        ModelConfig llama3 = Read("""
            {"rope_theta": null, "max_position_embeddings": 4096, "rope_parameters": {"rope_type": "llama3", "rope_theta": 500000.0, "factor": 8.0,
            "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 512}}
            """);
        Assert.Equal((RopeScaling.Llama3, 500_000f, 8f, 512, 4096),
            (llama3.Rope.Scaling, llama3.Rope.Theta, llama3.Rope.Factor, llama3.Rope.OriginalContext, llama3.TrainedContext));

        ModelConfig linear = Read("""{"rope_scaling": {"type": "linear", "factor": 2}}""");
        Assert.Equal((RopeScaling.Linear, 512), (linear.Rope.Scaling, linear.TrainedContext));

        // 0.1 · 2 · ln 4 + 1 over 0.1 · 1 · ln 4 + 1
        RopeConfig mscale = Read("""{"rope_scaling": {"type": "yarn", "factor": 4, "mscale": 2, "mscale_all_dim": 1}}""").Rope;
        Assert.Equal(1.27725887 / 1.13862944, mscale.AttentionFactor!.Value, 6);
    }
}
