using System.Runtime.InteropServices;
using Retrieval.TestKit;

namespace Retrieval.Runtime.Tests;

/// <summary>
/// A decoder as simple and slow as possible: doubles, loops, every position recomputed. It shares nothing with the runtime but
/// the rounding of stored keys and values to 16 bits, which is part of what a KV store is.
/// </summary>
/// <param name="model">Weights and sizes.</param>
/// <param name="rope">Rotation; its pairs are halves.</param>
/// <param name="rotary">Layers that rotate; null: all.</param>
/// <param name="windows">Window of each layer; null: none has one.</param>
internal sealed class ReferenceDecoder(TinyModel model, ReferenceRope rope, bool[]? rotary = null, int?[]? windows = null)
{
    private readonly Dictionary<string, float[]> _weights =
        model.Tensors().ToDictionary(tensor => tensor.Name, tensor => MemoryMarshal.Cast<byte, float>(tensor.Data).ToArray());

    /// <summary>Logits after each token.</summary>
    /// <param name="contextLengths">Length of the sequence when each token was rotated; only dynamic scaling reads it.</param>
    /// <param name="sees">May a token at a position see a key at another, in a layer without window? null: all before it.</param>
    public double[][] Run(int[] tokens, int[]? contextLengths = null, Func<int, int, bool>? sees = null)
    {
        double[][] x = [.. tokens.Select(token => Row("model.embed_tokens.weight", token, model.Hidden))];
        for (int layer = 0; layer < model.Layers; layer++)
        {
            string block = $"model.layers.{layer}.";
            double[][] attended = Attention(layer, block + "self_attn.", x, contextLengths, sees);
            for (int t = 0; t < x.Length; t++)
            {
                Add(x[t], attended[t]);
                Add(x[t], FeedForward(block, x[t]));
            }
        }
        string head = model.Tied ? "model.embed_tokens" : "lm_head";
        return [.. x.Select(state => Linear(head, Norm("model.norm.weight", state)))];
    }

    private double[][] Attention(int layer, string name, double[][] x, int[]? contextLengths, Func<int, int, bool>? sees)
    {
        int dim = model.HeadDim, group = model.Heads / model.KvHeads;
        bool rotates = rotary is null || rotary[layer];
        bool Sees(int token, int key) => windows?[layer] is { } window ? key > token - window : sees?.Invoke(token, key) ?? true;
        double[][] queries = new double[x.Length][], keys = new double[x.Length][], values = new double[x.Length][];
        for (int t = 0; t < x.Length; t++)
        {
            double[] normed = Norm($"model.layers.{layer}.input_layernorm.weight", x[t]);
            int length = contextLengths?[t] ?? x.Length;
            queries[t] = Heads(Linear(name + "q_proj", normed), name + "q_norm.weight", t, length, rotates);
            keys[t] = Stored(Heads(Linear(name + "k_proj", normed), name + "k_norm.weight", t, length, rotates));
            values[t] = Stored(Linear(name + "v_proj", normed));
        }
        var output = new double[x.Length][];
        for (int t = 0; t < x.Length; t++)
        {
            var joined = new double[model.Heads * dim];
            for (int head = 0; head < model.Heads; head++)
            {
                int kv = head / group;
                int[] visible = [.. Enumerable.Range(0, t + 1).Where(s => Sees(t, s))];
                double[] weights = [.. visible.Select(s => Math.Exp(Dot(queries[t], head * dim, keys[s], kv * dim, dim) / Math.Sqrt(dim)))];
                double total = weights.Sum();
                for (int n = 0; n < visible.Length; n++)
                {
                    for (int i = 0; i < dim; i++)
                        joined[head * dim + i] += weights[n] / total * values[visible[n]][kv * dim + i];
                }
            }
            output[t] = Linear(name + "o_proj", joined);
        }
        return output;
    }

    private double[] FeedForward(string block, double[] x)
    {
        double[] normed = Norm(block + "post_attention_layernorm.weight", x);
        double[] gate = Linear(block + "mlp.gate_proj", normed), up = Linear(block + "mlp.up_proj", normed);
        for (int i = 0; i < gate.Length; i++)
            gate[i] = gate[i] / (1 + Math.Exp(-gate[i])) * up[i];
        return Linear(block + "mlp.down_proj", gate);
    }

    /// <summary>Norm of each head where the family has one, then rotation.</summary>
    private double[] Heads(double[] projected, string normName, int position, int length, bool rotates)
    {
        for (int first = 0; first < projected.Length; first += model.HeadDim)
        {
            Span<double> head = projected.AsSpan(first, model.HeadDim);
            if (_weights.ContainsKey(normName))
                Norm(normName, head.ToArray()).CopyTo(head);
            if (rotates)
                rope.Rotate(head[..rope.Dimensions], position, length);
        }
        return projected;
    }

    private double[] Norm(string name, double[] x)
    {
        float[] weight = _weights[name];
        double scale = 1 / Math.Sqrt(x.Sum(v => v * v) / x.Length + 1e-5);
        return [.. x.Select((v, i) => v * scale * weight[i])];
    }

    private double[] Linear(string name, double[] x)
    {
        float[] weight = _weights[name + ".weight"];
        var y = new double[weight.Length / x.Length];
        for (int row = 0; row < y.Length; row++)
        {
            y[row] = _weights.TryGetValue(name + ".bias", out float[]? bias) ? bias[row] : 0;
            for (int i = 0; i < x.Length; i++)
                y[row] += weight[row * x.Length + i] * x[i];
        }
        return y;
    }

    private double[] Row(string name, int row, int width)
        => Array.ConvertAll(_weights[name][(row * width)..((row + 1) * width)], v => (double)v);

    private static double[] Stored(double[] row) => Array.ConvertAll(row, v => (double)(Half)v);

    private static double Dot(double[] a, int aFirst, double[] b, int bFirst, int count)
    {
        double sum = 0;
        for (int i = 0; i < count; i++)
            sum += a[aFirst + i] * b[bFirst + i];
        return sum;
    }

    private static void Add(double[] x, double[] y)
    {
        for (int i = 0; i < x.Length; i++)
            x[i] += y[i];
    }
}
