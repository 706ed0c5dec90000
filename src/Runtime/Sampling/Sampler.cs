namespace Retrieval.Runtime.Sampling;

/// <summary>Draws tokens from logits. Deterministic for a seed: the same logits give the same tokens.</summary>
internal sealed class Sampler
{
    private readonly SamplingOptions _options;
    private readonly Random _random;
    private readonly Queue<int> _recent = new();
    private float[] _logits = [];
    private Candidate[] _candidates = [];

    public Sampler(SamplingOptions options)
    {
        options.Validate();
        _options = options;
        _random = options.Seed is { } seed ? new Random(seed) : new Random();
    }

    /// <summary>Tells the repeat penalty of a token of the prompt, or of one that was sampled.</summary>
    public void Accept(int token)
    {
        _recent.Enqueue(token);
        while (_recent.Count > _options.RepeatLast)
            _recent.Dequeue();
    }

    /// <param name="logits">[vocabulary]; not changed.</param>
    public int Sample(ReadOnlySpan<float> logits)
    {
        if (_options.RepeatPenalty != 1 && _recent.Count > 0)
            logits = Penalized(logits);
        if (_options.Temperature == 0)
            return ArgMax(logits);

        Span<Candidate> kept = Rank(logits);
        kept = Softmax(kept, _options.Temperature);
        kept = kept[..NucleusSize(kept)];
        kept = kept[..AboveMinP(kept)];
        return Draw(kept);
    }

    /// <summary>The most likely token; the lowest id among equals.</summary>
    public static unsafe int ArgMax(ReadOnlySpan<float> logits)
    {
        fixed (float* first = logits)
            return Kernels.ArgMax.Find(first, logits.Length);
    }

    private ReadOnlySpan<float> Penalized(ReadOnlySpan<float> logits)
    {
        if (_logits.Length != logits.Length)
            _logits = new float[logits.Length];
        logits.CopyTo(_logits);
        foreach (int token in _recent.Distinct())
            _logits[token] = _logits[token] > 0 ? _logits[token] / _options.RepeatPenalty : _logits[token] * _options.RepeatPenalty;
        return _logits;
    }

    /// <summary>The top-k tokens, likeliest first.</summary>
    private Span<Candidate> Rank(ReadOnlySpan<float> logits)
    {
        if (_candidates.Length != logits.Length)
            _candidates = new Candidate[logits.Length];
        for (int i = 0; i < logits.Length; i++)
            _candidates[i] = new Candidate(i, logits[i]);
        Array.Sort(_candidates);
        int k = _options.TopK == 0 ? logits.Length : Math.Min(_options.TopK, logits.Length);
        return _candidates.AsSpan(0, k);
    }

    private static Span<Candidate> Softmax(Span<Candidate> ranked, float temperature)
    {
        double sum = 0;
        float top = ranked[0].Value;
        foreach (ref Candidate candidate in ranked)
        {
            candidate = candidate with { Value = MathF.Exp((candidate.Value - top) / temperature) };
            sum += candidate.Value;
        }
        foreach (ref Candidate candidate in ranked)
            candidate = candidate with { Value = (float)(candidate.Value / sum) };
        return ranked;
    }

    private int NucleusSize(ReadOnlySpan<Candidate> ranked)
    {
        if (_options.TopP >= 1)
            return ranked.Length;
        double sum = 0;
        for (int i = 0; i < ranked.Length; i++)
        {
            sum += ranked[i].Value;
            if (sum >= _options.TopP)
                return i + 1;
        }
        return ranked.Length;
    }

    private int AboveMinP(ReadOnlySpan<Candidate> ranked)
    {
        int count = ranked.Length;
        while (count > 1 && ranked[count - 1].Value < _options.MinP * ranked[0].Value)
            count--;
        return count;
    }

    private int Draw(ReadOnlySpan<Candidate> kept)
    {
        double sum = 0;
        foreach (Candidate candidate in kept)
            sum += candidate.Value;
        double at = _random.NextDouble() * sum;
        foreach (Candidate candidate in kept)
        {
            at -= candidate.Value;
            if (at < 0)
                return candidate.Token;
        }
        return kept[^1].Token;
    }

    /// <summary>A token with its logit, later its probability; ordered likeliest first, then by id.</summary>
    private readonly record struct Candidate(int Token, float Value) : IComparable<Candidate>
    {
        public int CompareTo(Candidate other)
        {
            int byValue = other.Value.CompareTo(Value);
            return byValue != 0 ? byValue : Token.CompareTo(other.Token);
        }
    }
}
