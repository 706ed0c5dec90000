using System.Diagnostics;
using System.Numerics;
using System.Runtime.InteropServices;

namespace Retrieval.Evaluation;

/// <summary>
/// Sequential reading from memory, in GB/s (10⁹ bytes): the bound of every decode step. Each thread sums its own buffer,
/// far larger than any cache.
/// </summary>
public static class MemoryBandwidth
{
    private const int BufferBytes = 128 << 20;
    private static readonly TimeSpan Duration = TimeSpan.FromSeconds(0.4);

    /// <summary>Best pass of about half a second with that many threads.</summary>
    public static double Measure(int threads)
    {
        ulong[][] buffers = [.. Enumerable.Range(0, threads).Select(_ => new ulong[BufferBytes / threads / sizeof(ulong)])];
        // Pages exist, and lie near the thread, only after they were written.
        Parallel(threads, thread => buffers[thread].AsSpan().Fill((ulong)thread + 1));
        double best = 0;
        for (var clock = Stopwatch.StartNew(); clock.Elapsed < Duration;)
        {
            long start = Stopwatch.GetTimestamp();
            Parallel(threads, thread => GC.KeepAlive(Sum(buffers[thread])));
            double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
            best = Math.Max(best, (double)buffers.Sum(buffer => (long)buffer.Length * sizeof(ulong)) / seconds / 1e9);
        }
        return best;
    }

    private static ulong Sum(ulong[] values)
    {
        // Four sums, so that additions do not wait for each other.
        ReadOnlySpan<Vector<ulong>> vectors = MemoryMarshal.Cast<ulong, Vector<ulong>>(values);
        Vector<ulong> a = default, b = default, c = default, d = default;
        for (int i = 0; i + 4 <= vectors.Length; i += 4)
        {
            a += vectors[i];
            b += vectors[i + 1];
            c += vectors[i + 2];
            d += vectors[i + 3];
        }
        return Vector.Sum(a + b + c + d);
    }

    private static void Parallel(int threads, Action<int> work)
    {
        Thread[] others = [.. Enumerable.Range(1, threads - 1).Select(thread => new Thread(() => work(thread)))];
        foreach (Thread other in others)
            other.Start();
        work(0);
        foreach (Thread other in others)
            other.Join();
    }
}
