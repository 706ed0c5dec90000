using Retrieval.Index;
using Retrieval.TestKit;
using Xunit;

namespace Retrieval.Offload.Tests;

public sealed unsafe class HostPrefillTests
{
    /// <summary>Logits of tens are off by some 10⁻⁴, and so are weights.</summary>
    private const double Rounding = 2e-3;

    /// <summary>Tokens [position, position + count) of a sequence: positions inside, at and across tiles of 64 and pages of 512.</summary>
    private static readonly (int Position, int Count)[] Chunks =
        [(0, 1), (0, 7), (1, 1), (0, 65), (63, 2), (40, 130), (510, 5), (500, 77), (1024, 1)];

    public static TheoryData<int, int, int, int?> Shapes
    {
        get
        {
            var shapes = new TheoryData<int, int, int, int?>();
            foreach (int dim in (int[])[8, 16, 64, 80, 128])
            {
                foreach ((int heads, int kvHeads) in ((int, int)[])[(2, 2), (4, 2), (3, 1)])
                    shapes.Add(dim, heads, kvHeads, null);
                shapes.Add(dim, 6, 2, 50);
            }
            foreach (int window in (int[])[1, 2, 63, 64, 65, 300, 2000])
                shapes.Add(16, 4, 2, window);
            shapes.Add(24, 14, 2, null);
            return shapes;
        }
    }

    [Theory]
    [MemberData(nameof(Shapes))]
    public void EqualsCausalAttentionByDefinition(int dim, int heads, int kvHeads, int? window)
    {
        var kv = new RandomKv(1025, kvHeads, dim, heads);
        using var workers = new WorkerPool(2);
        using HostPrefill prefill = new(workers), rounded = new(workers, rounded: true);
        foreach ((int position, int count) in Chunks)
        {
            using var store = new KvStore(kv.Layout());
            kv.Append(store, 0, 0, position + count);
            Check(prefill, store, kv, position, count, heads, kvHeads, dim, window);
            Check(rounded, store, kv, position, count, heads, kvHeads, dim, window, Rounding);
        }
    }

    /// <summary>A chunk of several blocks of queries, with groups that do not divide a block.</summary>
    [Theory]
    [InlineData(1, 14, 2, null)]
    [InlineData(3, 14, 2, null)]
    [InlineData(1, 5, 1, 100)]
    [InlineData(2, 5, 1, 100)]
    public void LongChunksAreCutIntoBlocks(int threads, int heads, int kvHeads, int? window)
    {
        const int Count = 450;
        var kv = new RandomKv(100 + Count, kvHeads, 16);
        using var workers = new WorkerPool(threads);
        using HostPrefill prefill = new(workers), rounded = new(workers, rounded: true);
        using KvStore store = kv.Store();
        Check(prefill, store, kv, 100, Count, heads, kvHeads, 16, window);
        Check(rounded, store, kv, 100, Count, heads, kvHeads, 16, window, Rounding);
    }

    /// <summary>Odd chunks, each appended and then attended, as prefill does it: the rows after a chunk are not there yet.</summary>
    [Theory]
    [InlineData(null)]
    [InlineData(33)]
    public void OddChunksFollowOneAnother(int? window)
    {
        var kv = new RandomKv(700, 2, 16);
        using var workers = new WorkerPool(2);
        using var prefill = new HostPrefill(workers);
        using var store = new KvStore(kv.Layout());
        int position = 0;
        foreach (int count in RandomData.Portions(700, 150, 3))
        {
            kv.Append(store, 0, position, count);
            Check(prefill, store, kv, position, count, 4, 2, 16, window);
            position += count;
        }
    }

    /// <summary>Every bit of a token's output is the same, however the tokens around it are cut into chunks; of products in whole numbers, if they are cut between tiles.</summary>
    [Theory]
    [InlineData(false, null)]
    [InlineData(false, 150)]
    [InlineData(true, null)]
    [InlineData(true, 150)]
    public void HowTokensAreCutDoesNotMatter(bool rounded, int? window)
    {
        const int Count = 951, Heads = 4, KvHeads = 2, Dim = 64;
        int[] cuts = rounded ? [256, 64, 128, 384, 119] : [256, 1, 70, 384, 240];
        var kv = new RandomKv(Count, KvHeads, Dim);
        using var workers = new WorkerPool(2);
        using var prefill = new HostPrefill(workers, rounded);
        using KvStore store = kv.Store();
        float[] queries = RandomData.Normal(Count * Heads * Dim, 5, 2);
        using var guarded = new GuardedMemory<float>(queries);
        using GuardedMemory<float> whole = new(queries.Length), pieces = new(queries.Length);
        prefill.Attend(store, 0, 0, Count, Heads, window, null, guarded.Pointer, whole.Pointer);
        int position = 0;
        foreach (int count in cuts)
        {
            int at = position * Heads * Dim;
            prefill.Attend(store, 0, position, count, Heads, window, null, guarded.Pointer + at, pieces.Pointer + at);
            position += count;
        }
        Assert.Equal(Count, position);
        for (int i = 0; i < queries.Length; i++)
        {
            if (whole.Span[i] != pieces.Span[i])
                Assert.Fail($"Token {i / (Heads * Dim)}, head {i / Dim % Heads}, element {i % Dim}: {whole.Span[i]} and {pieces.Span[i]}.");
        }
    }

    /// <summary>Many workers take smaller pieces; what an index is asked, and every bit of its answers, stays the same.</summary>
    [Theory]
    [InlineData(4, 2)]
    [InlineData(6, 2)]
    [InlineData(7, 1)]
    [InlineData(16, 1)]
    [InlineData(14, 1)]
    public void HowManyWorkersThereAreDoesNotMatter(int heads, int kvHeads)
    {
        const int Position = 1500, Count = 951, Dim = 64, Sinks = 8, Indexed = 1024;
        var kv = new RandomKv(Position + Count, kvHeads, Dim);
        using KvStore store = kv.Store();
        float[] queries = RandomData.Normal(Count * heads * Dim, 5, 2);
        var moments = new QueryMoments(Dim);
        moments.Add(queries);
        IvfPqIndex[] indexes = [.. Enumerable.Range(0, kvHeads).Select(head => IvfPqIndex.Build(
            new KvKeyRows(store, 0, head), new KvValueRows(store, 0, head), Sinks, Indexed, moments, new IvfPqOptions { SegmentRows = 256, RowsPerList = 16 }))];
        for (int s = 0; s < indexes[0].Segments.Count; s++)
            store.Pack(0, indexes[0].Segments[s].First, indexes[0].Segments[s].Count, [.. indexes.Select(index => index.Segments[s].Order)]);
        PackedRows[][] packed = [.. Enumerable.Range(0, kvHeads).Select(head => store.Segments(0).Select(segment => segment.Rows(head)).ToArray())];
        var budget = new BlockBudget(128, 32, 0, 0);
        // Segments leave the window of later tokens, and some tokens read more.
        var far = new IndexedRows(indexes, packed, Sinks, 1000, budget, budget with { Rows = 64 }, Position + 700);
        Assert.True(far.Segments(Position) < far.Segments(Position + Count - 1));

        float[][] outputs = [.. ((int[])[1, 2, 16]).Select(threads =>
        {
            using var workers = new WorkerPool(threads);
            using var prefill = new HostPrefill(workers, rounded: true);
            var output = new float[queries.Length];
            fixed (float* query = queries, result = output)
                prefill.Attend(store, 0, Position, Count, heads, null, far, query, result);
            return output;
        })];
        Assert.Equal(outputs[0], outputs[1]);
        Assert.Equal(outputs[0], outputs[2]);
    }

    /// <summary>Pages that a sliding layer released are never touched.</summary>
    [Fact]
    public void ReleasedRowsAreNotRead()
    {
        var kv = new RandomKv(1100, 1, 16);
        using var workers = new WorkerPool(1);
        using var prefill = new HostPrefill(workers);
        using KvStore store = kv.Store();
        store.ReleaseBefore(0, 1024);
        Check(prefill, store, kv, 1073, 27, 2, 1, 16, 50);
    }

    private static void Check(
        HostPrefill prefill, KvStore store, RandomKv kv, int position, int count, int heads, int kvHeads, int dim, int? window, double tolerance = 2e-5)
    {
        float[] queries = RandomData.Normal(count * heads * dim, position + count, 2);
        using var guarded = new GuardedMemory<float>(queries);
        using var output = new GuardedMemory<float>(queries.Length);
        output.Span.Fill(float.NaN);
        prefill.Attend(store, 0, position, count, heads, window, null, guarded.Pointer, output.Pointer);
        var scaled = new float[dim];
        // A few tokens of a long chunk say as much as all of them.
        for (int token = 0; token < count; token += count > 200 ? 13 : 1)
        {
            int end = position + token + 1, first = window is { } w ? Math.Max(0, end - w) : 0;
            int[] rows = [.. Enumerable.Range(first, end - first)];
            for (int head = 0; head < heads; head++)
            {
                int at = (token * heads + head) * dim;
                for (int i = 0; i < dim; i++)
                    scaled[i] = queries[at + i] / MathF.Sqrt(dim);
                double[] expected = kv.Attend(scaled, head / (heads / kvHeads), rows).Output;
                for (int i = 0; i < dim; i++)
                {
                    if (!(Math.Abs(expected[i] - output.Span[at + i]) <= tolerance))
                        Assert.Fail($"Token {position + token}, head {head}, element {i}: {output.Span[at + i]} is not {expected[i]}.");
                }
            }
        }
        if (count <= 200)
            return;
        foreach (float value in output.Span)
            Assert.True(float.IsFinite(value));
    }
}
