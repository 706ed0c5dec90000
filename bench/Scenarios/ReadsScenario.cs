using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using System.Runtime.Intrinsics;
using Retrieval.Evaluation;
using Retrieval.Index;
using Retrieval.Index.Kernels;
using Retrieval.Offload;

namespace Retrieval.Scenarios;

/// <summary>
/// <c>reads</c>: what a row costs that is read for itself, beside rows that are read one after another. Bytes / bandwidth bounds
/// what streams; keys and values that a search has chosen lie in pages of their own, and a page costs more than its line.
/// </summary>
internal static unsafe class ReadsScenario
{
    private const int Dim = 64, Line = 64, Tile = 32, RowsPerBlock = 16, RowBytes = 2 * Dim, BlockBytes = Line + RowsPerBlock * RowBytes;

    // As many as a search of 90 heads chooses in fifty steps.
    private const int Rows = 1 << 22;

    // Rounds, of which the fastest counts.
    private const int Rounds = 5;

    // As a KV cache has them: large where the system has any to give.
    private const string SmallPages = "small", LargePages = "large";

    private static readonly Pattern[] Patterns =
    [
        new("key and its scale, anywhere", 1, Value: false),
        new("key, value and their scales, anywhere", 1, Value: true),
        new("the same, four rows side by side", 4, Value: true),
        new("the same, sixteen rows side by side", 16, Value: true),
    ];

    public static Command Create()
    {
        var command = new Command("reads", "Time of a row of 64 elements in 8 bits that is read for itself, beside sequential reading.");
        Option<int> megabytes = new("--mb") { Description = "Memory over which the rows are spread, in MB", DefaultValueFactory = _ => 1600 };
        Option<int> threads = new("--threads", "-t") { Description = "Threads", DefaultValueFactory = _ => 2 };
        Option<bool> json = new("--json") { Description = "Print one JSON document as the last line" };
        foreach (Option option in new Option[] { megabytes, threads, json })
            command.Options.Add(option);

        command.SetAction(parsed =>
        {
            int some = parsed.GetValue(megabytes), workers = parsed.GetValue(threads);
            if (some is < 1 or > 100_000 || workers is < 1 or > 1024)
                throw new Runtime.InputException($"reads: {some} MB and {workers} threads; give 1 to 100,000 MB and 1 to 1,024 threads.");
            double bandwidth = MemoryBandwidth.Measure(workers);
            long blocks = some * 1_000_000L / BlockBytes;
            Result[] results = [.. Run(SmallPages, blocks, workers, bandwidth), .. Run(LargePages, blocks, workers, bandwidth)];
            string table = string.Create(CultureInfo.InvariantCulture, $"{MachineName.Describe()}, {workers} threads, {some:N0} MB; sequential reading {bandwidth:0.0} GB/s; fastest of {Rounds}.\n\n") + Report.Table(
                ["what is read", "pages", "ns/row", "GB/s of lines", "of sequential"],
                results.Select(r => new[] { r.Pattern, r.Pages, $"{r.Nanoseconds:0.0}", $"{r.LineBytes:0.0}", $"{r.OfSequential:0 %}" }));
            Console.Write(table);
            ResultFiles.Write("reads.md", table);
            if (parsed.GetValue(json))
                Console.WriteLine(Report.Json(results));
        });
        return command;
    }

    private static Result[] Run(string pages, long blocks, int threads, double bandwidth)
    {
        using var workers = new WorkerPool(threads);
        using var arena = new RowArena(pages == LargePages);
        RowArena.Piece rows = arena.Take(blocks * BlockBytes);
        byte* memory = rows.Data;
        new Random(1).NextBytes(new Span<byte>(memory, BlockBytes));
        for (long block = 1; block < blocks; block++)
            Buffer.MemoryCopy(memory, memory + block * BlockBytes, BlockBytes, BlockBytes);
        Result[] results = [.. Patterns.Select(pattern =>
        {
            double fastest = Enumerable.Range(0, Rounds).Min(_ => Time(memory, blocks, pattern, workers));
            // A line for each row that is read, and the scales'.
            double lines = (pattern.Value ? 2 : 1) + 1.0 / pattern.Together, speed = lines * Line / fastest;
            return new Result(pattern.Name, pages, fastest, speed, speed / bandwidth);
        })];
        rows.GiveBack();
        return results;
    }

    /// <returns>Nanoseconds a row.</returns>
    private static double Time(byte* memory, long blocks, Pattern pattern, WorkerPool workers)
    {
        var sums = new int[workers.Threads];
        var clock = Stopwatch.StartNew();
        workers.Run(worker => sums[worker] = Read(memory, blocks, pattern, worker, Rows / workers.Threads / Tile));
        double time = clock.Elapsed.TotalNanoseconds / (Rows / workers.Threads / Tile * Tile * workers.Threads);
        GC.KeepAlive(sums);
        return time;
    }

    /// <summary>A tile's rows are asked for while those of the tile before are read, as a search does it.</summary>
    private static int Read(byte* memory, long blocks, Pattern pattern, int seed, int tiles)
    {
        ulong state = (ulong)seed + 1;
        byte** rows = stackalloc byte*[2 * Tile];
        Vector512<int> sum = default;
        for (int tile = 0; tile <= tiles; tile++)
        {
            byte** next = rows + tile % 2 * Tile, now = rows + (tile + 1) % 2 * Tile;
            for (int i = 0; i < Tile; i++)
            {
                next[i] = i % pattern.Together == 0 ? memory + Place(ref state, blocks, pattern.Together) : next[i - 1] + RowBytes;
                CacheLines.Prefetch(next[i], next[i] + (pattern.Value ? RowBytes : Dim));
                if (i % pattern.Together == 0)
                    CacheLines.Prefetch(Scales(memory, next[i]), Scales(memory, next[i]) + 1);
            }
            for (int i = 0; i < Tile && tile > 0; i++)
            {
                sum += Vector512.Load((int*)now[i]);
                if (pattern.Value)
                    sum += Vector512.Load((int*)(now[i] + Dim));
                if (i % pattern.Together == 0)
                    sum += Vector512.Create((int)*Scales(memory, now[i]));
            }
        }
        return Vector512.Sum(sum);
    }

    /// <summary>Where some rows side by side begin: a random number that takes next to no time (Marsaglia, "Xorshift RNGs", 2003).</summary>
    private static long Place(ref ulong state, long blocks, int together)
    {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        long block = (long)Math.BigMul(state, (ulong)blocks, out ulong rest);
        int row = (int)Math.BigMul(rest, (ulong)(RowsPerBlock / together), out _) * together;
        return block * BlockBytes + Line + row * RowBytes;
    }

    /// <summary>The line before the rows of a block.</summary>
    private static byte* Scales(byte* memory, byte* row) => memory + (row - memory) / BlockBytes * BlockBytes;

    /// <param name="Together">Rows that are read side by side.</param>
    /// <param name="Value">The value behind the key is read too.</param>
    private sealed record Pattern(string Name, int Together, bool Value);

    private sealed record Result(string Pattern, string Pages, double Nanoseconds, double LineBytes, double OfSequential);
}
