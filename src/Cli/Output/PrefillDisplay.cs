using Retrieval.Runtime;

namespace Retrieval.Cli;

/// <summary>
/// Shows on standard error how far a prompt has been read: a bar redrawn in place on a terminal, else one line for every
/// tenth. Short prompts show nothing.
/// </summary>
internal sealed class PrefillDisplay(Terminal terminal, string what) : IProgress<PrefillProgress>
{
    private const int BarWidth = 30;
    private const int ShortPrompt = 1024;
    private static readonly TimeSpan Quiet = TimeSpan.FromSeconds(0.5);
    private static readonly TimeSpan Redraw = TimeSpan.FromSeconds(0.1);

    private TimeSpan _drawn = TimeSpan.MinValue;
    private PrefillProgress _last;
    private int _tenths;
    private bool _shown;

    /// <summary>How far it came; null: not a chunk was finished.</summary>
    public ReadingAccount? Account => _last.Tokens == 0 ? null : ReadingAccount.From(_last);

    /// <summary>Called on the engine's thread.</summary>
    public void Report(PrefillProgress progress)
    {
        _last = progress;
        if (progress.Tokens < ShortPrompt)
            return;
        if (terminal.ErrorIsTerminal)
            Draw(progress);
        else
            Line(progress);
    }

    /// <summary>Removes the bar, so that other output can follow.</summary>
    public void Finish()
    {
        if (_shown && terminal.ErrorIsTerminal)
            terminal.Error.Write("\r\u001b[K");
        _shown = false;
    }

    /// <summary>Says how far a prompt came that was stopped.</summary>
    public void Stopped()
    {
        Finish();
        terminal.Error.WriteLine(Account is { } account ? account.ToString() : "Stopped before anything was read.");
    }

    private void Draw(PrefillProgress progress)
    {
        if (progress.Elapsed < Quiet || (progress.Elapsed - Redraw < _drawn && progress.Fraction < 1))
            return;
        _drawn = progress.Elapsed;
        _shown = true;
        int full = (int)Math.Round(progress.Fraction * BarWidth);
        terminal.Error.Write($"\r{what} {progress.Fraction,4:0%} ▕{new string('█', full)}{new string(' ', BarWidth - full)}▏ {Numbers(progress)}\u001b[K");
    }

    private void Line(PrefillProgress progress)
    {
        int tenths = (int)(progress.Fraction * 10 + 1e-9);
        if (tenths <= _tenths)
            return;
        _tenths = tenths;
        if (progress.Elapsed < Quiet)
            return;
        terminal.Error.WriteLine($"{what} {tenths * 10}% of {Units.Count(progress.Tokens)} tokens, {Numbers(progress)}");
    }

    private static string Numbers(PrefillProgress progress) => progress.Fraction >= 1
        ? $"{Units.Rate(progress.TokensPerSecond)} tokens/s, {Units.Time(progress.Elapsed)}"
        : $"{Units.Rate(progress.TokensPerSecond)} tokens/s, {Units.Time(progress.Remaining)} left";
}
