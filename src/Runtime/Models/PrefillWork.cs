namespace Retrieval.Runtime.Models;

/// <summary>
/// Turns finished chunks into a share of the whole, for progress bars: multiplications of a layer's matrices, and of its
/// attention by the keys that each token meets.
/// </summary>
/// <param name="dense">Tokens that meet all keys before them; later ones search an index, which costs about as much as so many keys do.</param>
internal sealed class PrefillWork(ModelConfig config, int start, int tokens, int dense, bool wholeLastLayer, Action<double>? report)
{
    // Measured: window, half a segment and a search weigh as much as 3,000 keys, and scoring a list as a key and a half.
    private const double SearchKeys = 3000, KeysPerRow = 1 / 40.0;

    private readonly double _total = Enumerable.Range(0, config.Layers).Sum(layer => Cost(config, layer, start, tokens, dense, wholeLastLayer));
    private double _done;

    public void Done(int layer, int position, int count)
    {
        _done += Cost(config, layer, position, count, dense, wholeLastLayer);
        report?.Invoke(Math.Min(1, _done / _total));
    }

    private static double Cost(ModelConfig config, int layer, int position, int count, int dense, bool wholeLastLayer)
    {
        double keyWidth = config.KvHeads * config.HeadDim, queryWidth = config.Heads * config.HeadDim;
        double keysAndValues = 2.0 * config.Hidden * keyWidth * count;
        if (layer == config.Layers - 1 && !wholeLastLayer)
            return keysAndValues;
        double attention = 2.0 * queryWidth * (Keys(position + count) - Keys(position));
        return keysAndValues + attention + count * (2.0 * config.Hidden * queryWidth + 3.0 * config.Hidden * config.Ffn);

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
