using Retrieval.Runtime;

namespace Retrieval.Cli;

/// <summary>How far a prompt had been read when it was stopped.</summary>
/// <param name="WorkDone">Share of the work, 0 to 1.</param>
internal sealed record ReadingAccount(int Tokens, int LayersRead, int Layers, double WorkDone, double Seconds)
{
    public static ReadingAccount From(PrefillProgress progress)
        => new(progress.Tokens, progress.LayersRead, progress.Layers, RunReport.Round(progress.Fraction), RunReport.Round(progress.Elapsed.TotalSeconds));

    public override string ToString()
        => $"Stopped after {Units.Time(TimeSpan.FromSeconds(Seconds))}: {Units.Count(Tokens)} tokens had passed {LayersRead} of {Layers} layers, {WorkDone:0%} of the work; nothing of it is kept.";
}
