namespace Retrieval.Runtime.Models;

/// <summary>
/// What a prompt costs: multiplications of a layer's matrices, and of its attention by the keys that each token meets. Turns
/// finished chunks into a share of the whole, for progress bars.
/// </summary>
/// <param name="search">How later tokens search what is before them; null: all meet all keys.</param>
/// <param name="report">Receives the share of the work done, 0 to 1, and the number of layers that are through.</param>
internal sealed class PrefillWork(ModelConfig config, int start, int tokens, PrefillSearch? search, bool wholeLastLayer, Action<double, int>? report)
{
    private readonly double _total = Total(config, start, tokens, search, wholeLastLayer).Sum;
    private double _done;

    public void Done(int layer, int position, int count)
    {
        _done += Cost(config, layer, position, count, search, wholeLastLayer).Sum;
        report?.Invoke(Math.Min(1, _done / _total), position + count == start + tokens ? layer + 1 : layer);
    }

    /// <summary>Of all layers.</summary>
    public static PrefillCost Total(ModelConfig config, int start, int tokens, PrefillSearch? search, bool wholeLastLayer)
    {
        PrefillCost total = default;
        for (int layer = 0; layer < config.Layers; layer++)
            total += Cost(config, layer, start, tokens, search, wholeLastLayer);
        return total;
    }

    /// <summary>Of <paramref name="count"/> tokens in one layer.</summary>
    /// <param name="position">Position of the first.</param>
    /// <param name="wholeLastLayer">False: the last layer only leaves its keys and values.</param>
    public static PrefillCost Cost(ModelConfig config, int layer, int position, int count, PrefillSearch? search, bool wholeLastLayer)
    {
        double keyWidth = config.KvHeads * config.HeadDim, queryWidth = config.Heads * config.HeadDim;
        double keysAndValues = 2.0 * config.Hidden * keyWidth * count;
        bool whole = config.LayerKinds[layer].SlidingWindow is null;
        double index = whole && search is { } built ? count * built.Build(config) : 0;
        if (layer == config.Layers - 1 && !wholeLastLayer)
            return new PrefillCost(keysAndValues, index);
        double matrices = keysAndValues + count * (2.0 * config.Hidden * queryWidth + 3.0 * config.Hidden * config.Ffn);
        return new PrefillCost(matrices, index + Attention(position + count) - Attention(position));

        // Of the first tokens together; differences of it add up, whatever the chunks.
        double Attention(double tokens)
        {
            if (config.LayerKinds[layer].SlidingWindow is { } window && tokens > window)
                return 2 * queryWidth * (window * (window + 1.0) / 2 + (tokens - window) * window);
            double exact = whole && search is { } searched ? Math.Min(tokens, searched.Dense) : tokens;
            return queryWidth * exact * (exact + 1) + (tokens > exact ? search!.Value.Attention(config, exact, tokens) : 0);
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
