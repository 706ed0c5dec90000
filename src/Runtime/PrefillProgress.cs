namespace Retrieval.Runtime;

/// <summary>How far a prompt has been read. Prefill goes layer by layer, so progress is a share of the work, not a token count.</summary>
/// <param name="Tokens">Tokens of the prompt being read.</param>
/// <param name="Fraction">Share of the work done, 0 to 1; attention counts by the keys it meets.</param>
/// <param name="Elapsed">Time since prefill began.</param>
/// <param name="LayersRead">Layers that all tokens have passed.</param>
/// <param name="Layers">Layers of the model.</param>
public readonly record struct PrefillProgress(int Tokens, double Fraction, TimeSpan Elapsed, int LayersRead, int Layers)
{
    /// <summary>Tokens a second so far.</summary>
    public double TokensPerSecond => Elapsed.TotalSeconds <= 0 ? 0 : Tokens * Fraction / Elapsed.TotalSeconds;

    /// <summary>Expected time left.</summary>
    public TimeSpan Remaining => Fraction <= 0 ? TimeSpan.Zero : Elapsed * ((1 - Fraction) / Fraction);
}
