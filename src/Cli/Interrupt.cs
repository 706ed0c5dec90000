using System.Runtime.InteropServices;

namespace Retrieval.Cli;

/// <summary>
/// Ctrl-C: the first cancels <see cref="Token"/>, so that the work ends with what it has; the next one kills the process.
/// </summary>
internal sealed class Interrupt : IDisposable
{
    private readonly PosixSignalRegistration _signal;
    private CancellationTokenSource _source = new();
    private volatile bool _idle;

    public Interrupt()
    {
        _signal = PosixSignalRegistration.Create(PosixSignal.SIGINT, context =>
        {
            if (_idle || _source.IsCancellationRequested)
                return;
            context.Cancel = true;
            _source.Cancel();
        });
    }

    public CancellationToken Token => _source.Token;

    public bool Requested => _source.IsCancellationRequested;

    /// <summary>Nothing is running, so Ctrl-C quits at once (waiting for input cannot be cancelled).</summary>
    public void Idle() => _idle = true;

    /// <summary>New work begins, with a fresh token.</summary>
    public void Begin()
    {
        if (_source.IsCancellationRequested)
            _source = new CancellationTokenSource();
        _idle = false;
    }

    public void Dispose()
    {
        _signal.Dispose();
        _source.Dispose();
    }
}
