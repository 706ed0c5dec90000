using Retrieval.Index.Tests.IvfPq;
using Retrieval.TestKit;
using Xunit;

namespace Retrieval.Index.Tests;

public sealed unsafe class PackedRowsTests
{
    /// <summary>Single rows and runs, in memory that ends with the last row.</summary>
    [Theory]
    [InlineData(16, true)]
    [InlineData(64, true)]
    [InlineData(80, true)]
    [InlineData(16, false)]
    [InlineData(64, false)]
    [InlineData(80, false)]
    [InlineData(128, false)]
    [InlineData(24, false)]
    public void RowsAreReadAsTheyWerePacked(int dim, bool halves)
    {
        const int Count = 100;
        MemoryRows keys = Heads.Keys(Count, dim), values = Heads.Values(Count, dim);
        using var packed = new PackedIndex(keys, values, 0, Heads.Moments(dim), halves);
        PackedRows rows = Assert.Single(packed.Rows);
        Assert.Equal(halves ? 2 * dim : dim + 2, rows.RowBytes);
        ushort[] order = packed.Index.Segments[0].Order;
        using var run = new GuardedMemory<float>(Count * dim);
        using var one = new GuardedMemory<float>(dim);
        foreach (bool key in (bool[])[true, false])
        {
            MemoryRows source = key ? keys : values;
            rows.Read(key, 0, Count, run.Pointer);
            for (int place = 0; place < Count; place++)
            {
                if (key)
                    rows.ReadKey(place, one.Pointer);
                else
                    rows.ReadValue(place, one.Pointer);
                Span<float> row = run.Span.Slice(place * dim, dim);
                Assert.Equal(one.Span.ToArray(), row.ToArray());
                float[] original = source.Values.AsSpan(order[place] * dim, dim).ToArray();
                float step = halves ? 0 : original.Max(Math.Abs) / 127;
                for (int i = 0; i < dim; i++)
                    Assert.Equal(original[i], row[i], step * 0.51f + Math.Abs(original[i]) / 2047);
            }
            rows.Read(key, Count - 7, 7, run.Pointer);
            rows.Read(key, Count - 1, 1, one.Pointer);
            Assert.Equal(one.Span.ToArray(), run.Span.Slice(6 * dim, dim).ToArray());
        }
    }
}
