using System.Diagnostics;
using System.Runtime.ExceptionServices;

namespace Retrieval.Index;

/// <summary>
/// Fork-join over a fixed set of threads. A decode step is some hundred parallel regions of a few microseconds, so waiting
/// threads spin for a while before they sleep; the thread pool's wake-up alone would cost more than the work.
/// One region at a time; the calling thread is worker 0.
/// </summary>
/// <remarks>
/// Where other programs want the cores too, a worker may be away for milliseconds when a region of microseconds begins. So work that
/// any worker can do is not waited for by name: a region closes when its caller finds nothing left to do, and who has not come in by
/// then stays out. Only who is inside is waited for.
/// </remarks>
public sealed class WorkerPool : IDisposable
{
    // Long enough to bridge the serial parts of a decode step, short enough to leave the cores to libtorch's own threads in prefill.
    private const int SpinsBeforeSleep = 20000;

    // What a region's end is waited for before the core is offered to others: whoever is inside may not be running.
    private const int SpinsBeforeYield = 2000;

    // The state: number of the region, whether it is open, workers inside. One number, so that who comes in knows where.
    private const int RegionShift = 32;
    private const long NextRegion = 1L << RegionShift, Open = 1L << 30, Inside = Open - 1;

    private readonly Thread[] _threads;
    private readonly object _wake = new();
    private Action<int> _body = static _ => { };
    private Exception? _failure;
    private volatile bool _stop;
    private long _state;
    private int _entered, _sleeping;
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
    public void Run(Action<int> body) => Run(body, _threads.Length);

    /// <summary>
    /// Runs <paramref name="body"/> here and on those workers that come in before it has returned here, and waits for these. For
    /// bodies that take from common work until nothing is left. An exception of any worker is thrown here.
    /// </summary>
    public void Share(Action<int> body) => Run(body, 0);

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
        Share(worker =>
        {
            for (int begin; (begin = Interlocked.Add(ref _next, grain) - grain) < count;)
                body(worker, begin, Math.Min(count, begin + grain));
        });
    }

    public void Dispose()
    {
        _stop = true;
        Interlocked.Add(ref _state, NextRegion);
        Wake();
        foreach (Thread thread in _threads)
            thread.Join();
    }

    /// <param name="awaited">Workers that must come in.</param>
    private void Run(Action<int> body, int awaited)
    {
        if (_threads.Length == 0)
        {
            body(0);
            return;
        }
        _body = body;
        _failure = null;
        _entered = 0;
        Interlocked.Add(ref _state, NextRegion + Open);
        Wake();
        Invoke(0);
        for (int spins = 0; Volatile.Read(ref _entered) < awaited; spins++)
            Wait(spins);
        Interlocked.Add(ref _state, -Open);
        // Who finds the region closed is counted for a moment.
        for (int spins = 0; (Volatile.Read(ref _state) & Inside) != 0; spins++)
            Wait(spins);
        if (_failure is { } failure)
            ExceptionDispatchInfo.Throw(failure);
    }

    private static void Wait(int spins)
    {
        if (spins < SpinsBeforeYield)
            Thread.SpinWait(1);
        else
            Thread.Yield();
    }

    /// <summary>Wakes who sleeps. Whoever is about to sleep has said so before it looks at the state for the last time.</summary>
    private void Wake()
    {
        if (Volatile.Read(ref _sleeping) == 0)
            return;
        lock (_wake)
            Monitor.PulseAll(_wake);
    }

    /// <summary>Sleeps until there is another region than one; it may be over by then.</summary>
    private void Sleep(int seen)
    {
        lock (_wake)
        {
            Interlocked.Increment(ref _sleeping);
            while (RegionOf(Volatile.Read(ref _state)) == seen)
                Monitor.Wait(_wake);
            Interlocked.Decrement(ref _sleeping);
        }
    }

    private static int RegionOf(long state) => (int)(state >> RegionShift);

    private void Work(int worker)
    {
        int seen = 0;
        while (true)
        {
            for (int spins = 0; RegionOf(Volatile.Read(ref _state)) == seen; spins++)
            {
                if (spins < SpinsBeforeSleep)
                    Thread.SpinWait(1);
                else if ((Volatile.Read(ref _state) & Open) != 0)
                    // Another worker is still busy with the region that this one has left.
                    Thread.Yield();
                else
                    Sleep(seen);
            }
            if (_stop)
                return;
            // Open or not, it stays the same region while this worker counts as inside an open one.
            long state = Interlocked.Increment(ref _state);
            seen = RegionOf(state);
            if ((state & Open) != 0)
            {
                Interlocked.Increment(ref _entered);
                Invoke(worker);
            }
            Interlocked.Decrement(ref _state);
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
