using Xunit;

namespace Retrieval.Index.Tests;

public sealed class WorkerPoolTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(5)]
    public void EveryUnitIsDoneOnce(int threads)
    {
        using var pool = new WorkerPool(threads);
        Assert.Equal(threads, pool.Threads);
        foreach (int count in (int[])[0, 1, 2, 7, 100, 1001])
        {
            foreach (int grain in (int[])[1, 3, 64, 5000])
            {
                var done = new int[count];
                pool.For(count, grain, (worker, begin, end) =>
                {
                    Assert.InRange(worker, 0, threads - 1);
                    Assert.True(begin < end && end <= count && end - begin <= grain);
                    for (int i = begin; i < end; i++)
                        Interlocked.Increment(ref done[i]);
                });
                Assert.All(done, times => Assert.Equal(1, times));
            }
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(4)]
    public void RunCallsEveryWorkerOnce(int threads)
    {
        using var pool = new WorkerPool(threads);
        for (int region = 0; region < 30; region++)
        {
            var calls = new int[threads];
            pool.Run(worker => Interlocked.Increment(ref calls[worker]));
            Assert.All(calls, times => Assert.Equal(1, times));
        }
    }

    /// <summary>Whoever comes too late stays out, and is not waited for.</summary>
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(4)]
    public void ShareCallsTheCallerOnceAndOthersAtMostOnce(int threads)
    {
        using var pool = new WorkerPool(threads);
        for (int region = 0; region < 1000; region++)
        {
            var calls = new int[threads];
            pool.Share(worker => Interlocked.Increment(ref calls[worker]));
            int[] seen = [.. calls];
            Assert.Equal(1, seen[0]);
            Assert.All(seen, times => Assert.InRange(times, 0, 1));
            // Nobody comes in once it has returned.
            pool.Run(_ => { });
            Assert.Equal(seen, calls);
        }
    }

    /// <summary>Work that all of them are needed for: each waits for the others inside.</summary>
    [Theory]
    [InlineData(2)]
    [InlineData(3)]
    public void RunWaitsUntilAllHaveComeIn(int threads)
    {
        using var pool = new WorkerPool(threads);
        using var barrier = new Barrier(threads);
        for (int region = 0; region < 30; region++)
            pool.Run(_ => Assert.True(barrier.SignalAndWait(TimeSpan.FromSeconds(60))));
    }

    [Theory]
    [InlineData(1, 0)]
    [InlineData(2, 0)]
    [InlineData(2, 1)]
    [InlineData(4, 3)]
    public void AnExceptionReachesTheCallerAndThePoolGoesOn(int threads, int failing)
    {
        using var pool = new WorkerPool(threads);
        for (int round = 0; round < 20; round++)
        {
            Exception thrown = Assert.ThrowsAny<Exception>(() => pool.Run(worker =>
            {
                if (worker == failing)
                    throw new InvalidOperationException($"round {round}");
            }));
            Exception original = Assert.IsType<InvalidOperationException>(thrown.GetBaseException());
            Assert.Equal($"round {round}", original.Message);
            int sum = 0;
            pool.For(50, 1, (_, begin, end) => Interlocked.Add(ref sum, end - begin));
            Assert.Equal(50, sum);
        }
    }

    [Fact]
    public void AnExceptionInOneBlockOfForReachesTheCaller()
    {
        using var pool = new WorkerPool(2);
        Exception thrown = Assert.ThrowsAny<Exception>(() => pool.For(100, 1, (_, begin, _) =>
        {
            if (begin == 57)
                throw new InvalidOperationException("57");
        }));
        Assert.Equal("57", Assert.IsType<InvalidOperationException>(thrown.GetBaseException()).Message);
    }

    [Fact]
    public void ManyShortRegionsFinish()
    {
        const int Regions = 100_000;
        using var pool = new WorkerPool(2);
        long sum = 0;
        for (int region = 0; region < Regions; region++)
            pool.Run(_ => Interlocked.Increment(ref sum));
        Assert.Equal(2L * Regions, sum);
    }

    /// <summary>More threads than processors, and pauses long enough for the workers to fall asleep.</summary>
    [Fact]
    public void SleepingWorkersWakeUp()
    {
        using var pool = new WorkerPool(2 * Environment.ProcessorCount + 1);
        int calls = 0;
        for (int region = 0; region < 40; region++)
        {
            Thread.Sleep(region % 10);
            pool.Run(_ => Interlocked.Increment(ref calls));
        }
        Assert.Equal(40 * pool.Threads, calls);
    }

    /// <summary>What a region wrote is visible after it, and what came before it is visible inside, without further fences.</summary>
    [Fact]
    public void RegionsOrderMemory()
    {
        using var pool = new WorkerPool(2);
        var values = new int[64];
        for (int region = 1; region <= 5000; region++)
        {
            int expected = region - 1, wrong = 0;
            pool.For(values.Length, 1, (_, begin, _) =>
            {
                // The other end of the array was most likely written by the other worker.
                if (values[begin] != expected)
                    Interlocked.Increment(ref wrong);
                values[begin]++;
            });
            Assert.Equal(0, wrong);
            Assert.All(values, value => Assert.Equal(region, value));
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(4)]
    public void DisposeEndsTheThreadsAndMayBeRepeated(int threads)
    {
        var seen = new List<Thread>();
        var pool = new WorkerPool(threads);
        pool.Run(_ =>
        {
            lock (seen)
                seen.Add(Thread.CurrentThread);
        });
        Thread.Sleep(20);
        pool.Dispose();
        Assert.Equal(threads, seen.Count);
        Assert.All(seen, thread => Assert.True(thread == Thread.CurrentThread || !thread.IsAlive));
        pool.Dispose();
        new WorkerPool(threads).Dispose();
    }

    [Fact]
    public void AtLeastOneThread() => Assert.Throws<ArgumentOutOfRangeException>(() => new WorkerPool(0));
}
