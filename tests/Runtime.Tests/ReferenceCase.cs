using Retrieval.TestKit;
using Xunit;

namespace Retrieval.Runtime.Tests;

/// <summary>A tiny model with one switch of the decoder set, and what the switch means to the reference.</summary>
/// <param name="GgufMetadata">What says the same in GGUF; null: GGUF cannot say it, or not for this family.</param>
internal sealed record ReferenceCase(
    TinyModel Model, ReferenceRope Rope, bool[]? Rotary = null, int?[]? Windows = null, Dictionary<string, object>? GgufMetadata = null)
{
    private static readonly Dictionary<string, ReferenceCase> All = new()
    {
        ["llama"] = Plain(new TinyModel()),
        ["llama, own head, biases"] = Plain(new TinyModel { Tied = false, AttentionBias = true, Seed = 2 }),
        ["llama, heads wider than hidden"] = Plain(new TinyModel { HeadDim = 24, Hidden = 40, Ffn = 56, Seed = 3 }),
        ["llama, one KV head for seven"] = Plain(new TinyModel { Heads = 7, KvHeads = 1, HeadDim = 16, Seed = 4 }),
        ["llama, a KV head for each"] = Plain(new TinyModel { Heads = 3, KvHeads = 3, HeadDim = 16, Hidden = 48, Seed = 5 }),
        ["llama, sixteen a head"] = Plain(new TinyModel { HeadDim = 16, Hidden = 64, Layers = 3, Seed = 6 }),
        ["partial rotation"] = new(
            new TinyModel { HeadDim = 16, ExtraConfig = """{"partial_rotary_factor": 0.5}""" }, ReferenceRope.Plain(8)),
        ["other theta"] = new(
            new TinyModel { ExtraConfig = """{"rope_theta": 500000.0}""" }, ReferenceRope.Plain(8, 500_000),
            GgufMetadata: new() { ["llama.rope.freq_base"] = 500_000f }),
        ["linear"] = new(
            new TinyModel { ExtraConfig = """{"rope_scaling": {"rope_type": "linear", "factor": 4.0}}""" }, ReferenceRope.Linear(8, 4),
            GgufMetadata: new() { ["llama.rope.scaling.type"] = "linear", ["llama.rope.scaling.factor"] = 4f }),
        ["yarn"] = new(
            new TinyModel
            {
                HeadDim = 16,
                ExtraConfig = """{"rope_scaling": {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64}}""",
            },
            ReferenceRope.Yarn(16, 4, 64),
            GgufMetadata: new()
            {
                ["llama.rope.scaling.type"] = "yarn",
                ["llama.rope.scaling.factor"] = 4f,
                ["llama.rope.scaling.original_context_length"] = 64u,
            }),
        ["llama3"] = new(
            new TinyModel
            {
                HeadDim = 16,
                ExtraConfig = """
                    {"rope_scaling": {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
                    "original_max_position_embeddings": 128}}
                    """,
            },
            ReferenceRope.Llama3(16, 8, 128, 1, 4)),
        ["mistral"] = Plain(new TinyModel { Family = "mistral", Tied = false }),
        ["mistral, sliding"] = new(
            new TinyModel { Family = "mistral", ExtraConfig = """{"sliding_window": 16}""" }, ReferenceRope.Plain(8), Windows: [16, 16],
            GgufMetadata: new() { ["llama.attention.sliding_window"] = 16u }),
        ["qwen2"] = Plain(new TinyModel { Family = "qwen2" }),
        ["qwen2, sliding from layer 1"] = new(
            new TinyModel
            {
                Family = "qwen2",
                Layers = 3,
                Tied = false,
                ExtraConfig = """{"use_sliding_window": true, "sliding_window": 5, "max_window_layers": 1}""",
            },
            ReferenceRope.Plain(8), Windows: [null, 5, 5]),
        ["qwen3"] = Plain(new TinyModel { Family = "qwen3" }),
        ["qwen3, biases"] = Plain(new TinyModel { Family = "qwen3", AttentionBias = true, Tied = false, HeadDim = 16 }),
        ["smollm3"] = new(
            new TinyModel { Family = "smollm3", Layers = 5 }, ReferenceRope.Plain(8), Rotary: [true, true, true, false, true], GgufMetadata: []),
        ["smollm3, sliding"] = new(
            new TinyModel
            {
                Family = "smollm3",
                Layers = 3,
                ExtraConfig = """
                    {"no_rope_layers": [1, 0, 1], "use_sliding_window": true, "sliding_window": 9,
                    "layer_types": ["sliding_attention", "full_attention", "sliding_attention"]}
                    """,
            },
            ReferenceRope.Plain(8), Rotary: [true, false, true], Windows: [9, null, 9]),
    };

    public static TheoryData<string> Names => [.. All.Keys];

    /// <summary>Cases that both formats can express.</summary>
    public static TheoryData<string> NamesInBothFormats => [.. All.Where(c => c.Value.GgufMetadata is not null).Select(c => c.Key)];

    public static ReferenceCase Of(string name) => All[name];

    public ReferenceDecoder Decoder() => new(Model, Rope, Rotary, Windows);

    public int[] Tokens(int count) => RandomData.Tokens(count, Model.Vocabulary, 7);

    private static ReferenceCase Plain(TinyModel model) => new(model, ReferenceRope.Plain(model.HeadDim), GgufMetadata: []);
}
