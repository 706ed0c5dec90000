using Retrieval.Runtime.Compute;
using Retrieval.Runtime.Models;

namespace Retrieval.Scenarios.Decoding;

/// <summary>Queries, keys and values that a model computed for a short text, after RoPE.</summary>
internal sealed unsafe class SampleRows
{
    /// <summary>Tokens of the text.</summary>
    public const int Count = 1024;

    private readonly float[][] _queries, _keys, _values;
    private readonly int _queryWidth, _keyWidth;

    public SampleRows(ModelConfig config)
    {
        (_queryWidth, _keyWidth) = (config.Heads * config.HeadDim, config.KvHeads * config.HeadDim);
        _queries = new float[config.Layers][];
        _keys = new float[config.Layers][];
        _values = new float[config.Layers][];
    }

    /// <summary>[heads, headDim] of a token.</summary>
    public ReadOnlySpan<float> Query(int layer, int token) => _queries[layer].AsSpan(token * _queryWidth, _queryWidth);

    /// <summary>[kvHeads, headDim] of a token.</summary>
    public ReadOnlySpan<float> Key(int layer, int token) => _keys[layer].AsSpan(token * _keyWidth, _keyWidth);

    /// <summary>[kvHeads, headDim] of a token.</summary>
    public ReadOnlySpan<float> Value(int layer, int token) => _values[layer].AsSpan(token * _keyWidth, _keyWidth);

    /// <summary>Copies a layer's rows of the whole text.</summary>
    public void Take(int layer, Rows query, Rows key, Rows value)
    {
        _queries[layer] = Copy(query);
        _keys[layer] = Copy(key);
        _values[layer] = Copy(value);
    }

    private static float[] Copy(Rows rows) => new ReadOnlySpan<float>(rows.Data, rows.Count * rows.Width).ToArray();
}
