namespace Retrieval.Runtime.Models;

/// <summary>
/// What a prompt costs: multiplications of a layer's matrices, and of its attention by the keys that each token meets. Turns
/// finished chunks into a share of the whole, for progress bars.
/// </summary>
/// <param name="dense">Tokens that meet all keys before them; later ones search an index, which costs about as much as so many keys do.</param>
/// <param name="report">Receives the share of the work done, 0 to 1, and the number of layers that are through.</param>
internal sealed class PrefillWork(ModelConfig config, int start, int tokens, int dense, bool wholeLastLayer, Action<double, int>? report)
{
    // Measured: window, half a segment and a search weigh as much as 3,000 keys, and scoring a list as a key and a half.
    private const double SearchKeys = 3000, KeysPerRow = 1 / 40.0;

    private readonly double _total = Total(config, start, tokens, dense, wholeLastLayer).Sum;
    private double _done;

    public void Done(int layer, int position, int count)
    {
        _done += Cost(config, layer, position, count, dense, wholeLastLayer).Sum;
        report?.Invoke(Math.Min(1, _done / _total), position + count == start + tokens ? layer + 1 : layer);
    }

    /// <summary>Of all layers.</summary>
    public static PrefillCost Total(ModelConfig config, int start, int tokens, int dense, bool wholeLastLayer)
    {
        PrefillCost total = default;
        for (int layer = 0; layer < config.Layers; layer++)
            total += Cost(config, layer, start, tokens, dense, wholeLastLayer);
        return total;
    }

    /// <summary>Of <paramref name="count"/> tokens in one layer.</summary>
    /// <param name="position">Position of the first.</param>
    /// <param name="wholeLastLayer">False: the last layer only leaves its keys and values.</param>
    public static PrefillCost Cost(ModelConfig config, int layer, int position, int count, int dense, bool wholeLastLayer)
    {
        double keyWidth = config.KvHeads * config.HeadDim, queryWidth = config.Heads * config.HeadDim;
        double keysAndValues = 2.0 * config.Hidden * keyWidth * count;
        if (layer == config.Layers - 1 && !wholeLastLayer)
            return new PrefillCost(keysAndValues, 0);
        double matrices = keysAndValues + count * (2.0 * config.Hidden * queryWidth + 3.0 * config.Hidden * config.Ffn);
        return new PrefillCost(matrices, 2.0 * queryWidth * (Keys(position + count) - Keys(position)));

        // Keys that the first tokens meet together; differences of it add up, whatever the chunks.
        double Keys(double tokens)
        {
            if (config.LayerKinds[layer].SlidingWindow is { } window && tokens > window)
                return window * (window + 1.0) / 2 + (tokens - window) * window;
            double exact = Math.Min(tokens, dense), searched = tokens - exact;
            return exact * (exact + 1) / 2 + searched * (SearchKeys + KeysPerRow * (tokens + exact) / 2);
        }
    }
}

/// <summary>Multiplications of some part of a prefill.</summary>
/// <param name="Matrices">With weights.</param>
/// <param name="Attention">With keys and values.</param>
internal readonly record struct PrefillCost(double Matrices, double Attention)
{
    public double Sum => Matrices + Attention;

    public static PrefillCost operator +(PrefillCost a, PrefillCost b) => new(a.Matrices + b.Matrices, a.Attention + b.Attention);
}
