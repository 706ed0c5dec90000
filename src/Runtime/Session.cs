using System.Diagnostics;
using Retrieval.Runtime.Models;
using Retrieval.Runtime.Policies;

namespace Retrieval.Runtime;

/// <summary>One token sequence with its KV state. Tokens are appended, then generated one by one from <see cref="Logits"/>.</summary>
public sealed unsafe class Session : IDisposable
{
    private readonly Engine _engine;
    private readonly Decoder _decoder;
    private readonly SequenceState _state;
    private readonly List<int> _tokens = [];
    private readonly HostBuffer _logits;

    internal Session(Engine engine, Decoder decoder, SequenceState state)
    {
        _engine = engine;
        _decoder = decoder;
        _state = state;
        _logits = new HostBuffer(engine.Config.Vocabulary);
    }

    public RetrievalPolicy Policy => _state.Policy;

    /// <summary>Tokens held.</summary>
    public int Length => _tokens.Count;

    /// <summary>The tokens held, oldest first.</summary>
    public IReadOnlyList<int> Tokens => _tokens;

    /// <summary>Logits after the last token, [vocabulary]; valid until the next call.</summary>
    public ReadOnlySpan<float> Logits => _logits.Span(0, _engine.Config.Vocabulary);

    public SessionMemory Memory => new(
        _engine.DeviceBytes + _state.ResidentBytes, _state.Store.Bytes, _state.IndexBytes);

    /// <summary>Bytes of indexes and far rows that the policy has read in decode steps so far.</summary>
    public long SelectorBytesRead => _state.BytesRead;

    /// <summary>Far tokens that the policy's index speaks for, in the first layer that has one; the others are attended to exactly.</summary>
    public int IndexedTokens => _state.IndexedTokens;

    /// <summary>
    /// Reads tokens. All but the last are prefill, with exact attention; the last one is a decode step under the session's
    /// policy, like every generated token, and leaves its <see cref="Logits"/>.
    /// </summary>
    /// <exception cref="ContextOverflowException">The tokens do not fit; nothing was done.</exception>
    /// <exception cref="InsufficientMemoryException">Host memory would not suffice, see <see cref="Plan"/>; nothing was done.</exception>
    /// <exception cref="OperationCanceledException">Cancelled; the session is as it was.</exception>
    public void Append(ReadOnlySpan<int> tokens, IProgress<PrefillProgress>? progress = null, CancellationToken cancel = default)
    {
        if (tokens.IsEmpty)
            return;
        Check(tokens);
        int before = Length;
        try
        {
            if (tokens.Length > 1)
                _decoder.Prefill(_state, tokens[..^1], before + tokens.Length, null, Report(tokens.Length, progress), cancel);
            cancel.ThrowIfCancellationRequested();
            _decoder.Step(_state, tokens[^1], _logits.Data);
        }
        catch
        {
            _state.RewindTo(before);
            throw;
        }
        _state.ReleasePassed();
        _tokens.AddRange(tokens);
    }

    /// <summary>What reading so many further tokens will take; nothing is read.</summary>
    public MemoryPlan Plan(int tokens) => _engine.Plan(_state, tokens);

    /// <summary>The same with times: measures for a moment how fast this machine is, and looks at what the first layers make of the text's beginning.</summary>
    public MemoryPlan TimedPlan(ReadOnlySpan<int> tokens) => _engine.Timed(Plan(tokens.Length), _state, tokens);

    /// <summary>Reads tokens as a prompt, and returns the log-probability of each one after the first, given those before it.</summary>
    /// <returns>[tokens − 1], natural logarithms; the first token only conditions the second. <see cref="Logits"/> are those after the last.</returns>
    public float[] Score(ReadOnlySpan<int> tokens, CancellationToken cancel = default)
    {
        int[] ids = tokens.ToArray();
        var scores = new float[Math.Max(0, ids.Length - 1)];
        Read(ids, 0, (token, logits) =>
        {
            if (token < scores.Length)
                scores[token] = LogProbability(logits, ids[token + 1]);
        }, cancel);
        return scores;
    }

    /// <summary>Reads tokens as a prompt and hands out the logits after each one from an index on.</summary>
    internal void Read(ReadOnlySpan<int> tokens, int from, LogitsHandler onLogits, CancellationToken cancel = default)
    {
        Check(tokens);
        int before = Length, total = tokens.Length, vocabulary = _engine.Config.Vocabulary;
        using var hidden = new HostBuffer((long)_decoder.Chunk * _engine.Config.Hidden);
        using var logits = new HostBuffer((long)Decoder.LogitRows * vocabulary);
        try
        {
            _decoder.Prefill(_state, tokens, before + total, Chunk, null, cancel);
        }
        catch
        {
            _state.RewindTo(before);
            throw;
        }
        _state.ReleasePassed();
        _tokens.AddRange(tokens);

        void Chunk(int first, int count)
        {
            if (first + count <= from && first + count < total)
                return;
            _decoder.StoreHidden(hidden.Data);
            for (int row = Math.Max(0, Math.Min(from, total - 1) - first); row < count; row += Decoder.LogitRows)
            {
                int some = Math.Min(Decoder.LogitRows, count - row), token = first + row;
                _decoder.Logits(row, some, hidden.Data, logits.Data);
                for (int i = 0; i < some; i++)
                    onLogits(token + i, logits.Span((long)i * vocabulary, vocabulary));
                if (token + some == total)
                    logits.Span((some - 1L) * vocabulary, vocabulary).CopyTo(_logits.Span(0, vocabulary));
            }
        }
    }

    /// <summary>Forgets the tokens from <paramref name="length"/> on; <see cref="Logits"/> are undefined until the next append.</summary>
    /// <exception cref="InputException">A sliding layer no longer holds what it would need.</exception>
    public void RewindTo(int length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(length, Length);
        _state.RewindTo(length);
        _tokens.RemoveRange(length, _tokens.Count - length);
    }

    /// <summary>Do the sliding layers still hold what <see cref="RewindTo"/> would need? 0 is always possible.</summary>
    public bool CanRewindTo(int length) => _state.CanRewindTo(length);

    /// <summary>A second session with the same tokens; KV pages are shared until one of them changes. May follow another policy.</summary>
    public Session Fork(RetrievalPolicy? policy = null)
    {
        policy ??= Policy;
        policy.Validate();
        var fork = new Session(_engine, _decoder, _state.Fork(policy));
        fork._tokens.AddRange(_tokens);
        Logits.CopyTo(fork._logits.Span(0, Logits.Length));
        return fork;
    }

    public void Dispose()
    {
        _state.Dispose();
        _logits.Dispose();
    }

    /// <summary>Natural logarithm of a token's probability.</summary>
    internal static float LogProbability(ReadOnlySpan<float> logits, int token)
    {
        float max = float.NegativeInfinity;
        foreach (float logit in logits)
            max = MathF.Max(max, logit);
        double sum = 0;
        foreach (float logit in logits)
            sum += Math.Exp(logit - max);
        return (float)(logits[token] - max - Math.Log(sum));
    }

    private void Check(ReadOnlySpan<int> tokens)
    {
        _engine.RequireRoom((long)Length + tokens.Length);
        if (tokens.Length > 1 && !_engine.Options.Force)
            Plan(tokens.Length).Demand();
        foreach (int token in tokens)
        {
            if ((uint)token >= (uint)_engine.Config.Vocabulary)
                throw new InputException($"Token {token} is outside the vocabulary of {_engine.Config.Vocabulary:N0}; the tokenizer does not belong to this model.");
        }
    }

    private Action<double, int>? Report(int tokens, IProgress<PrefillProgress>? progress)
    {
        if (progress is null)
            return null;
        long begin = Stopwatch.GetTimestamp();
        return (fraction, layers) => progress.Report(new PrefillProgress(tokens, fraction, Stopwatch.GetElapsedTime(begin), layers, _engine.Config.Layers));
    }
}

/// <summary>Receives the logits after the token of that index; they are valid during the call.</summary>
internal delegate void LogitsHandler(int token, ReadOnlySpan<float> logits);
