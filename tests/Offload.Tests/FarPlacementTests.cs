using Retrieval.Index;
using Retrieval.TestKit;
using Xunit;

namespace Retrieval.Offload.Tests;

/// <summary>Packed keys that stand where they did not stand, for queries that meet all of them at one distance.</summary>
public sealed unsafe class FarPlacementTests
{
    private const int Dim = 16, Sinks = 8, Segment = 512, Rows = 1300, Heads = 2;

    private static readonly IvfPqOptions Small = new() { SegmentRows = Segment, RowsPerList = 32 };

    [Theory]
    [InlineData(false, 1)]
    [InlineData(false, 8192)]
    [InlineData(true, 2047)]
    [InlineData(true, 1_000_003)]
    [InlineData(false, int.MaxValue)]
    public void ARotationIsThatOfItsFormula(bool adjacent, int positions)
    {
        float[] inverse = Inverse(), row = RandomData.Normal(Dim, 5);
        float[] turned = [.. row], expected = [.. row];
        for (int i = 0; i < Dim / 2; i++)
        {
            (int first, int second) = adjacent ? (2 * i, 2 * i + 1) : (i, i + Dim / 2);
            (double sin, double cos) = Math.SinCos((double)positions * inverse[i]);
            (expected[first], expected[second]) = ((float)(row[first] * cos - row[second] * sin), (float)(row[second] * cos + row[first] * sin));
        }
        var rotation = new RowRotation(inverse, adjacent);
        fixed (float* data = turned)
        {
            rotation.Turn(data, 1, Dim, positions);
            AssertNear(expected, turned, 1e-5);
            rotation.Turn(data, 1, Dim, -positions);
        }
        AssertNear(row, turned, 1e-5);
    }

    /// <summary>Elements behind the last pair do not turn, and each of several rows turns alike.</summary>
    [Fact]
    public void WhatIsNotRotaryStays()
    {
        float[] row = RandomData.Normal(Dim, 6), rows = [.. row, .. row];
        fixed (float* data = rows)
            new RowRotation([1, 0.5f, 0.25f], adjacentPairs: false).Turn(data, 2, Dim, 7);
        Assert.Equal(row[6..], rows[6..Dim]);
        Assert.NotEqual(row[0], rows[0]);
        Assert.Equal(rows[..Dim], rows[Dim..]);
    }

    [Fact]
    public void PackedKeysStandAtTheOriginAndReturn()
    {
        var kv = new RandomKv(Rows, 1, Dim);
        using KvStore store = Store(kv);
        var rotation = new RowRotation(Inverse(), adjacentPairs: false);
        ushort[] order = [.. Enumerable.Range(0, Segment).Reverse().Select(i => (ushort)i)];
        store.Pack(0, Sinks, Segment, [order]);
        float[] key = new float[Dim];
        fixed (float* data = key)
        {
            for (int place = 0; place < Segment; place += 37)
            {
                int position = Sinks + Segment - 1 - place;
                float[] own = kv.Keys[(position * Dim)..((position + 1) * Dim)];
                // Where a key is asked for as it was appended, it is one again.
                store.ReadKeys(0, 0, Sinks + place, 1, data);
                AssertNear(own, key, 4e-3);
                store.ReadPackedKeys(0, 0, Sinks + place, 1, data);
                rotation.Turn(data, 1, Dim, position);
                AssertNear(own, key, 4e-3);
            }
            // A row that is not packed is read as it would be packed.
            store.ReadPackedKeys(0, 0, Rows - 1, 1, data);
            rotation.Turn(data, 1, Dim, Rows - 1);
            AssertNear(kv.Keys[((Rows - 1) * Dim)..], key, 1e-5);
        }
        using KvStore fork = store.Fork();
        fork.Unpack(0, 0);
        fixed (float* data = key)
            fork.ReadKeys(0, 0, Sinks + 40, 1, data);
        AssertNear(kv.Keys[((Sinks + 40) * Dim)..((Sinks + 41) * Dim)], key, 4e-3);
    }

    /// <summary>
    /// Attention by definition, with far keys right before the sinks and sinks right before the near rows; also for tokens whose
    /// window reaches into rows that are packed already.
    /// </summary>
    [Theory]
    [InlineData(1100, 1)]
    [InlineData(1140, 2)]
    public void QueriesMeetFarKeysAtOneDistance(int position, int segments)
    {
        const int Tokens = 40, Window = 100;
        var kv = new RandomKv(Rows, 1, Dim);
        using KvStore store = Store(kv);
        var rotation = new RowRotation(Inverse(), adjacentPairs: false);
        float[] queries = RandomData.Normal(Tokens * Heads * Dim, 9);
        var moments = new QueryMoments(Dim);
        moments.Add(queries);
        IvfPqIndex index = IvfPqIndex.Build(new KvKeyRows(store, 0, 0), new KvValueRows(store, 0, 0), Sinks, 2 * Segment, moments, Small);
        foreach (IvfPqSegment segment in index.Segments)
            store.Pack(0, segment.First, segment.Count, [segment.Order]);
        var everything = new BlockBudget(int.MaxValue, int.MaxValue, 0, 0);
        var far = new IndexedRows([index], [[.. store.Segments(0).Select(segment => segment.Rows(0))]], Sinks, Window, everything, everything, int.MaxValue, store.Placement(0));
        Assert.Equal(segments, far.Segments(position));
        using var workers = new WorkerPool(1);
        using var prefill = new HostPrefill(workers);
        float[] output = new float[queries.Length];
        fixed (float* query = queries, result = output)
            prefill.Attend(store, 0, position, Tokens, Heads, null, far, query, result);

        int near = Sinks + segments * Segment;
        var relative = new RandomKv(Rows, 1, Dim);
        fixed (float* keys = relative.Keys)
        {
            // Everything is moved to where queries meet it, and queries stay.
            for (int row = 0; row < near; row++)
                rotation.Turn(keys + row * Dim, 1, Dim, row < Sinks ? near - Sinks : near - Sinks - row);
        }
        for (int token = 0; token < Tokens; token++)
        {
            int[] seen = [.. Enumerable.Range(0, position + token + 1)];
            for (int head = 0; head < Heads; head++)
            {
                int at = (token * Heads + head) * Dim;
                float[] scaled = [.. queries[at..(at + Dim)].Select(x => x / MathF.Sqrt(Dim))];
                float[] expected = [.. relative.Attend(scaled, 0, seen).Output.Select(x => (float)x)];
                AssertNear(expected, output[at..(at + Dim)], 5e-3);
            }
        }
    }

    [Theory]
    [InlineData(0, 0)]
    [InlineData(4096, 0)]
    [InlineData(8192, 0.5)]
    [InlineData(1 << 20, 255 / 256.0)]
    public void QuietRowsWeighAsManyAsThereIsRoomFor(int rows, double discount)
        => Assert.Equal(discount, new FarPlacement(new RowRotation(Inverse(), false), 4096).QuietDiscount(rows), 1e-7);

    private static KvStore Store(RandomKv kv)
    {
        KvLayout layout = kv.Layout() with { Format = RowFormat.F16 };
        var store = new KvStore(layout, [new FarPlacement(new RowRotation(Inverse(), adjacentPairs: false), 4096)]);
        kv.Append(store, 0, 0, Rows);
        return store;
    }

    private static float[] Inverse() => [.. Enumerable.Range(0, Dim / 2).Select(i => MathF.Pow(10_000, -2f * i / Dim))];

    private static void AssertNear(float[] expected, float[] actual, double tolerance)
    {
        Assert.Equal(expected.Length, actual.Length);
        for (int i = 0; i < expected.Length; i++)
            Assert.True(Math.Abs(expected[i] - actual[i]) <= tolerance, $"Element {i}: {actual[i]} is not {expected[i]}.");
    }
}
