using System.Diagnostics;
using System.Runtime.ExceptionServices;

namespace Retrieval.Index;

/// <summary>
/// Fork-join over a fixed set of threads. A decode step is some hundred parallel regions of a few microseconds, so waiting
/// threads spin for a while before they sleep; the thread pool's wake-up alone would cost more than the work.
/// One region at a time; the calling thread is worker 0.
/// </summary>
public sealed class WorkerPool : IDisposable
{
    // Long enough to bridge the serial parts of a decode step, short enough to leave the cores to libtorch's own threads in prefill.
    private const int SpinsBeforeSleep = 20000;

    private readonly Thread[] _threads;
    private readonly ManualResetEventSlim _wake = new(false, spinCount: 0);
    private Action<int> _body = static _ => { };
    private Exception? _failure;
    private volatile int _region;
    private volatile int _running;
    private volatile bool _stop;
    private int _next;

    /// <param name="threads">Workers, the calling thread included; at least 1.</param>
    public WorkerPool(int threads)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(threads, 1);
        _threads = new Thread[threads - 1];
        for (int i = 0; i < _threads.Length; i++)
        {
            int worker = i + 1;
            _threads[i] = new Thread(() => Work(worker)) { IsBackground = true, Name = $"retrieval worker {worker}" };
            _threads[i].Start();
        }
    }

    /// <summary>Workers, the calling thread included.</summary>
    public int Threads => _threads.Length + 1;

    /// <summary>Runs <paramref name="body"/> once on every worker and waits for all; an exception of any worker is thrown here.</summary>
    public void Run(Action<int> body)
    {
        if (_threads.Length == 0)
        {
            body(0);
            return;
        }
        _body = body;
        _failure = null;
        _running = _threads.Length;
        _region++;
        _wake.Set();
        Invoke(0);
        for (int spins = 0; _running > 0; spins++)
        {
            if (spins < SpinsBeforeSleep)
                Thread.SpinWait(1);
            else
                Thread.Yield();
        }
        _wake.Reset();
        if (_failure is { } failure)
            ExceptionDispatchInfo.Throw(failure);
    }

    /// <summary>Splits [0, count) into blocks of <paramref name="grain"/> that workers take as they become free.</summary>
    /// <param name="body">Receives worker, begin and end.</param>
    public void For(int count, int grain, Action<int, int, int> body)
    {
        Debug.Assert(grain > 0);
        if (count <= grain || _threads.Length == 0)
        {
            for (int begin = 0; begin < count; begin += grain)
                body(0, begin, Math.Min(count, begin + grain));
            return;
        }
        _next = 0;
        Run(worker =>
        {
            for (int begin; (begin = Interlocked.Add(ref _next, grain) - grain) < count;)
                body(worker, begin, Math.Min(count, begin + grain));
        });
    }

    public void Dispose()
    {
        _stop = true;
        _region++;
        _wake.Set();
        foreach (Thread thread in _threads)
            thread.Join();
        _wake.Dispose();
    }

    private void Work(int worker)
    {
        int seen = 0;
        while (true)
        {
            for (int spins = 0; _region == seen; spins++)
            {
                if (spins < SpinsBeforeSleep)
                    Thread.SpinWait(1);
                else if (_wake.IsSet)
                    // Another worker is still busy with the region that this one has left.
                    Thread.Yield();
                else
                    _wake.Wait();
            }
            seen = _region;
            if (_stop)
                return;
            Invoke(worker);
            Interlocked.Decrement(ref _running);
        }
    }

    private void Invoke(int worker)
    {
        try
        {
            _body(worker);
        }
        catch (Exception e)
        {
            Interlocked.CompareExchange(ref _failure, e, null);
        }
    }
}
