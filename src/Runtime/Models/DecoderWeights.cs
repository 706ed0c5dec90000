using Retrieval.Runtime.Compute;

namespace Retrieval.Runtime.Models;

/// <summary>The weights of a decoder by their role.</summary>
internal sealed record DecoderWeights(Weight Embedding, IReadOnlyList<LayerWeights> Layers, Weight Norm, Weight Head)
{
    /// <summary>Every weight that activations are multiplied with.</summary>
    public IEnumerable<Weight> Matrices => Layers.SelectMany(w => (Weight[])[w.Query, w.Key, w.Value, w.Output, w.Gate, w.Up, w.Down]).Append(Head);

    public static DecoderWeights From(Checkpoint checkpoint)
    {
        var layers = new LayerWeights[checkpoint.Config.Layers];
        for (int layer = 0; layer < layers.Length; layer++)
            layers[layer] = LayerWeights.From(checkpoint, layer);
        return new DecoderWeights(
            new Weight(checkpoint.Get(TensorNames.Embedding)), layers, new Weight(checkpoint.Get(TensorNames.Norm)), new Weight(checkpoint.Get(TensorNames.Head)));
    }
}

/// <summary>The weights of one layer; those that a family does not have are null.</summary>
internal sealed record LayerWeights
{
    public required Weight AttentionNorm { get; init; }
    public required Weight Query { get; init; }
    public required Weight Key { get; init; }
    public required Weight Value { get; init; }
    public required Weight Output { get; init; }
    public Weight? QueryBias { get; init; }
    public Weight? KeyBias { get; init; }
    public Weight? ValueBias { get; init; }
    public Weight? OutputBias { get; init; }
    public Weight? QueryNorm { get; init; }
    public Weight? KeyNorm { get; init; }
    public required Weight FfnNorm { get; init; }
    public required Weight Gate { get; init; }
    public required Weight Up { get; init; }
    public required Weight Down { get; init; }

    public static LayerWeights From(Checkpoint checkpoint, int layer)
    {
        string block = $"model.layers.{layer}.";
        return new LayerWeights
        {
            AttentionNorm = Required("input_layernorm.weight"),
            Query = Required("self_attn.q_proj.weight"),
            Key = Required("self_attn.k_proj.weight"),
            Value = Required("self_attn.v_proj.weight"),
            Output = Required("self_attn.o_proj.weight"),
            QueryBias = Optional("self_attn.q_proj.bias"),
            KeyBias = Optional("self_attn.k_proj.bias"),
            ValueBias = Optional("self_attn.v_proj.bias"),
            OutputBias = Optional("self_attn.o_proj.bias"),
            QueryNorm = Optional("self_attn.q_norm.weight"),
            KeyNorm = Optional("self_attn.k_norm.weight"),
            FfnNorm = Required("post_attention_layernorm.weight"),
            Gate = Required("mlp.gate_proj.weight"),
            Up = Required("mlp.up_proj.weight"),
            Down = Required("mlp.down_proj.weight"),
        };

        Weight Required(string name) => new(checkpoint.Get(block + name));

        Weight? Optional(string name) => checkpoint.TryGet(block + name, out StoredTensor? tensor) ? new Weight(tensor) : null;
    }
}
