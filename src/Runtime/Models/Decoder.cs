using Retrieval.Runtime.Attention;
using Retrieval.Runtime.Compute;

namespace Retrieval.Runtime.Models;

/// <summary>
/// The decoder of every family: token embeddings, layers of attention and gated MLP with residual connections, a final norm and
/// the output head. What differs between families is data in <see cref="ModelConfig"/>; what differs between devices is behind
/// <see cref="IDecoderMath"/> and <see cref="IDecoderAttention"/>.
/// </summary>
internal sealed unsafe class Decoder : IDisposable
{
    /// <summary>Most tokens of one call of <see cref="Logits"/>: so many share one pass over the head's weights.</summary>
    public const int LogitRows = 16;

    // Tokens: fewer would leave workers idle.
    private const int SmallestPiece = 256;

    private readonly ModelConfig _config;
    private readonly DecoderWeights _weights;
    private readonly IDecoderMath _math;
    private readonly IDecoderAttention _attention;
    private readonly RotaryAngles _angles;
    private readonly Rows _x, _normed, _query, _key, _value, _attended, _branch, _gate, _up;
    private readonly Rows _lastHidden, _logits;

    /// <param name="chunk">Most tokens that pass a layer together.</param>
    public Decoder(ModelConfig config, DecoderWeights weights, IDecoderMath math, IDecoderAttention attention, int chunk)
    {
        _config = config;
        _weights = weights;
        _math = math;
        _attention = attention;
        _angles = new RotaryAngles(config.Rope);
        Chunk = chunk;
        int queryWidth = config.Heads * config.HeadDim, keyWidth = config.KvHeads * config.HeadDim;
        _x = math.NewRows(chunk, config.Hidden);
        _normed = math.NewRows(chunk, config.Hidden);
        _query = math.NewRows(chunk, queryWidth);
        _key = math.NewRows(chunk, keyWidth);
        _value = math.NewRows(chunk, keyWidth);
        _attended = math.NewRows(chunk, queryWidth);
        _branch = math.NewRows(chunk, config.Hidden);
        _gate = math.NewRows(chunk, config.Ffn);
        _up = math.NewRows(chunk, config.Ffn);
        _lastHidden = math.NewRows(LogitRows, config.Hidden);
        _logits = math.NewRows(LogitRows, config.Vocabulary);
    }

    public int Chunk { get; }

    /// <summary>Multiplications of attention by one thread between two looks at a cancellation; default 10¹⁰, some tenths of a second.</summary>
    public double UninterruptedWork { get; init; } = 1e10;

    /// <summary>One decode step: appends a token to the state and computes the logits after it.</summary>
    /// <param name="logits">[vocabulary]</param>
    public void Step(SequenceState state, int token, float* logits)
    {
        int position = state.Length;
        SetCount(1);
        _angles.Set(position, 1, position + 1);
        _math.Embed([token], _weights.Embedding, _x);
        for (int layer = 0; layer < _config.Layers; layer++)
            Layer(state, layer, position, position + 1, Pass.Step, default);
        state.Complete(position + 1);
        _math.RmsNorm(_x, _weights.Norm, _config.NormEpsilon, _normed);
        _logits.Count = 1;
        _math.Linear(_normed, new Projection(_weights.Head, null, _logits));
        _math.Store(_logits, logits);
    }

    /// <summary>
    /// Reads tokens layer by layer: all chunks pass layer i before layer i + 1, so that the device holds the working set of one
    /// layer while the hidden states of the rest wait in host memory. The last layer only leaves its keys and values.
    /// </summary>
    /// <param name="contextLength">Tokens that the sequence will hold when the whole prompt is read; dynamic RoPE scaling depends on it.</param>
    /// <param name="onWork">Receives the share of the work done, 0 to 1, and the layers that are through, after every chunk of every layer.</param>
    /// <param name="onHidden">Receives the final hidden states [count, hidden] of the tokens from index first on; null: they are not needed.</param>
    public void Prefill(SequenceState state, ReadOnlySpan<int> tokens, int contextLength, HiddenHandler? onHidden, Action<double, int>? onWork, CancellationToken cancel)
    {
        int start = state.Length, end = start + tokens.Length;
        using var hidden = new HostBuffer((long)tokens.Length * _config.Hidden);
        var work = new PrefillWork(_config, start, tokens.Length, state.PrefillSearch(end, state.ExpectedSharpShare), onHidden is not null, onWork);
        for (int first = 0; first < tokens.Length; first += Chunk)
        {
            SetCount(Math.Min(Chunk, tokens.Length - first));
            _math.Embed(tokens.Slice(first, _x.Count), _weights.Embedding, _x);
            _math.Store(_x, hidden.Data + (long)first * _config.Hidden);
        }
        for (int layer = 0; layer < _config.Layers; layer++)
        {
            bool last = layer == _config.Layers - 1;
            Pass pass = last && onHidden is null ? Pass.KeysAndValues : Pass.Prefill;
            for (int first = 0; first < tokens.Length; first += Chunk)
            {
                cancel.ThrowIfCancellationRequested();
                float* chunk = hidden.Data + (long)first * _config.Hidden;
                SetCount(Math.Min(Chunk, tokens.Length - first));
                _angles.Set(start + first, _x.Count, contextLength);
                _math.Load(chunk, _x);
                Layer(state, layer, start + first, end, pass, cancel);
                if (last)
                    onHidden?.Invoke(first, _x.Count);
                else
                    _math.Store(_x, chunk);
                work.Done(layer, start + first, _x.Count);
            }
            state.LayerRead(layer, end);
            _math.ReleaseConverted();
        }
        state.Complete(end);
    }

    /// <summary>Lets a chunk pass one layer, to see how long it takes; the state's other layers stay behind and it is of no use afterwards.</summary>
    /// <param name="position">Rows that the layer has.</param>
    public void Probe(SequenceState state, int layer, int position)
    {
        SetCount(Chunk);
        _angles.Set(position, Chunk, position + Chunk);
        _math.Embed(new int[Chunk], _weights.Embedding, _x);
        Layer(state, layer, position, position + Chunk, Pass.Prefill, default);
        _math.ReleaseConverted();
    }

    /// <summary>Logits of some of the tokens that a <see cref="HiddenHandler"/> was just called for.</summary>
    /// <param name="first">Index of the first in its chunk.</param>
    /// <param name="count">Tokens, at most <see cref="LogitRows"/>.</param>
    /// <param name="hidden">[tokens of the chunk, hidden], from <see cref="StoreHidden"/>.</param>
    /// <param name="logits">[count, vocabulary]</param>
    public void Logits(int first, int count, float* hidden, float* logits)
    {
        _lastHidden.Count = _logits.Count = count;
        _math.Load(hidden + (long)first * _config.Hidden, _lastHidden);
        _math.RmsNorm(_lastHidden, _weights.Norm, _config.NormEpsilon, _lastHidden);
        _math.Linear(_lastHidden, new Projection(_weights.Head, null, _logits));
        _math.Store(_logits, logits);
    }

    /// <summary>Copies the final hidden states of the current chunk, [count, hidden].</summary>
    public void StoreHidden(float* host) => _math.Store(_x, host);

    public void Dispose()
    {
        foreach (Rows rows in (Rows[])[_x, _normed, _query, _key, _value, _attended, _branch, _gate, _up, _lastHidden, _logits])
            rows.Dispose();
        _attention.Dispose();
        _math.Dispose();
    }

    private void Layer(SequenceState state, int layer, int position, int length, Pass pass, CancellationToken cancel)
    {
        LayerWeights w = _weights.Layers[layer];
        _math.RmsNorm(_x, w.AttentionNorm, _config.NormEpsilon, _normed);
        var query = new Projection(w.Query, w.QueryBias, _query);
        var key = new Projection(w.Key, w.KeyBias, _key);
        var value = new Projection(w.Value, w.ValueBias, _value);
        if (pass == Pass.KeysAndValues)
        {
            _math.Linear(_normed, query, key, value);
            NormAndRotate(w.QueryNorm, layer, _query);
            NormAndRotate(w.KeyNorm, layer, _key);
            _attention.AppendOnly(state, layer, position, _query, _key, _value);
            return;
        }
        _math.Linear(_normed, query, key, value);
        NormAndRotate(w.QueryNorm, layer, _query);
        NormAndRotate(w.KeyNorm, layer, _key);
        if (pass == Pass.Step)
            _attention.Step(state, layer, position, _query, _key, _value, _attended);
        else
            Attend(state, layer, position, length, cancel);
        _math.AddLinear(_attended, new Projection(w.Output, w.OutputBias, _branch), _x);

        _math.RmsNorm(_x, w.FfnNorm, _config.NormEpsilon, _normed);
        _math.AddMlp(_normed, new Projection(w.Gate, null, _gate), new Projection(w.Up, null, _up), new Projection(w.Down, null, _branch), _x);
    }

    /// <summary>Attention of a chunk, in pieces where it meets so many keys that whoever cancels would wait for seconds.</summary>
    private void Attend(SequenceState state, int layer, int position, int length, CancellationToken cancel)
    {
        int count = _query.Count, piece = count;
        if (_query.HasAddress)
        {
            // Pieces, and with them results, must not depend on what somebody expects.
            double work = PrefillWork.Cost(_config, layer, position, count, state.PrefillSearch(length, sharp: 0), wholeLastLayer: true).Attention / Environment.ProcessorCount;
            piece = Math.Max(SmallestPiece, (int)(count * UninterruptedWork / Math.Max(work, 1)) / SmallestPiece * SmallestPiece);
        }
        for (int first = 0; first < count; first += piece)
        {
            cancel.ThrowIfCancellationRequested();
            int some = Math.Min(piece, count - first);
            _attention.Prefill(state, layer, position + first, length, Of(_query), Of(_key), Of(_value), Of(_attended));

            Rows Of(Rows all) => some == count ? all : all.Slice(first, some);
        }
    }

    /// <summary>Queries or keys: norm of each head, rotation.</summary>
    private void NormAndRotate(Weight? headNorm, int layer, Rows heads)
    {
        if (headNorm is not null)
            _math.RmsNorm(heads, headNorm, _config.NormEpsilon, heads);
        if (_config.LayerKinds[layer].Rotary)
            _math.Rotate(heads, _config.HeadDim, _angles);
    }

    private void SetCount(int count)
    {
        foreach (Rows rows in (ReadOnlySpan<Rows>)[_x, _normed, _query, _key, _value, _attended, _branch, _gate, _up])
            rows.Count = count;
    }

    private enum Pass
    {
        Step,
        Prefill,
        KeysAndValues,
    }
}

/// <summary>Called when the last layer of a chunk is done; <see cref="Decoder.StoreHidden"/> has the states.</summary>
/// <param name="first">Index of the chunk's first token.</param>
/// <param name="count">Tokens of the chunk.</param>
internal delegate void HiddenHandler(int first, int count);
