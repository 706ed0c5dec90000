namespace Retrieval.Runtime.Sampling;

/// <summary>How the next token is drawn from the logits. The steps run in this order: repeat penalty, temperature, top-k, top-p, min-p.</summary>
public sealed record SamplingOptions
{
    /// <summary>0 (default): the most likely token, always; above: softmax temperature.</summary>
    public float Temperature { get; init; }

    /// <summary>Keep the k most likely tokens; 0 (default): all.</summary>
    public int TopK { get; init; }

    /// <summary>Keep the smallest set of tokens whose probabilities sum to at least this; 1 (default): all.</summary>
    public float TopP { get; init; } = 1;

    /// <summary>Drop tokens less likely than this times the likeliest; 0 (default): none.</summary>
    public float MinP { get; init; }

    /// <summary>Divide positive and multiply negative logits of recent tokens by this (arXiv 1909.05858); 1 (default): off.</summary>
    public float RepeatPenalty { get; init; } = 1;

    /// <summary>How many recent tokens the penalty looks at; default 64.</summary>
    public int RepeatLast { get; init; } = 64;

    /// <summary>Seed of the draw; null: another one each time.</summary>
    public int? Seed { get; init; }

    /// <summary>Throws an <see cref="InputException"/> if a value is out of its range.</summary>
    public void Validate()
    {
        if (!(Temperature >= 0 && float.IsFinite(Temperature)))
            throw new InputException($"The temperature is {Temperature}; it must be 0 or more, and finite.");
        if (TopK < 0)
            throw new InputException($"top-k is {TopK}; it must be 0 (off) or more.");
        if (!(TopP > 0 && TopP <= 1))
            throw new InputException($"top-p is {TopP}; it must be above 0 and at most 1.");
        if (!(MinP >= 0 && MinP <= 1))
            throw new InputException($"min-p is {MinP}; it must be between 0 and 1.");
        if (!(RepeatPenalty > 0 && float.IsFinite(RepeatPenalty)))
            throw new InputException($"The repeat penalty is {RepeatPenalty}; it must be above 0, and finite.");
        if (RepeatLast < 0)
            throw new InputException($"The repeat penalty looks at {RepeatLast} tokens; the number must be 0 or more.");
    }
}
