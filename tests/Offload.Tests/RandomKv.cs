using Retrieval.TestKit;
using Xunit;

namespace Retrieval.Offload.Tests;

/// <summary>
/// Random keys and values that are exact in 16 bits, different for every KV head, and attention over them written as the
/// definition says, in double.
/// </summary>
internal sealed unsafe class RandomKv(int rows, int kvHeads, int dim, int seed = 1)
{
    /// <summary>[rows, kvHeads, dim]</summary>
    public float[] Keys { get; } = Halves(RandomData.Normal(rows * kvHeads * dim, seed));

    /// <summary>[rows, kvHeads, dim]</summary>
    public float[] Values { get; } = Halves(RandomData.Normal(rows * kvHeads * dim, seed + 1000));

    public int Rows => rows;

    public KvLayout Layout(int layers = 1) => new(layers, kvHeads, dim);

    /// <summary>A store with all rows in layer 0.</summary>
    public KvStore Store()
    {
        var store = new KvStore(Layout());
        Append(store, 0, 0, rows);
        return store;
    }

    /// <summary>Appends rows [first, first + count) to a layer.</summary>
    public void Append(KvStore store, int layer, int first, int count)
    {
        int width = kvHeads * dim;
        using var keys = new GuardedMemory<float>(Keys.AsSpan(first * width, count * width));
        using var values = new GuardedMemory<float>(Values.AsSpan(first * width, count * width));
        store.Append(layer, keys.Pointer, values.Pointer, count);
    }

    /// <summary>Rows [first, end) of a layer are these rows, whichever way they are read.</summary>
    public void AssertStored(KvStore store, int layer, int first, int end)
    {
        for (int head = 0; head < kvHeads; head++)
        {
            using var read = new GuardedMemory<float>((end - first) * dim);
            store.ReadKeys(layer, head, first, end - first, read.Pointer);
            AssertRows(Keys, head, first, end, read.Span);
            store.ReadValues(layer, head, first, end - first, read.Pointer);
            AssertRows(Values, head, first, end, read.Span);
            for (int row = first; row < end; row += 97)
            {
                Assert.Equal((Half)Keys[(row * kvHeads + head) * dim], BitConverter.UInt16BitsToHalf(*store.Key(layer, head, row)));
                Assert.Equal((Half)Values[(row * kvHeads + head) * dim], BitConverter.UInt16BitsToHalf(*store.Value(layer, head, row)));
            }
        }
    }

    /// <summary>Attention of one query over chosen rows of a head: output, and log-sum-exp of the logits.</summary>
    /// <param name="query">[dim], scaled.</param>
    public (double[] Output, double LogSumExp) Attend(ReadOnlySpan<float> query, int kvHead, IReadOnlyList<int> chosen)
    {
        var logits = new double[chosen.Count];
        for (int n = 0; n < chosen.Count; n++)
        {
            for (int i = 0; i < dim; i++)
                logits[n] += (double)query[i] * Keys[(chosen[n] * kvHeads + kvHead) * dim + i];
        }
        double max = logits.DefaultIfEmpty(double.NegativeInfinity).Max(), sum = logits.Sum(x => Math.Exp(x - max));
        var output = new double[dim];
        for (int n = 0; n < chosen.Count; n++)
        {
            double weight = Math.Exp(logits[n] - max) / sum;
            for (int i = 0; i < dim; i++)
                output[i] += weight * Values[(chosen[n] * kvHeads + kvHead) * dim + i];
        }
        return (output, max + Math.Log(sum));
    }

    private void AssertRows(float[] expected, int head, int first, int end, ReadOnlySpan<float> actual)
    {
        for (int row = first; row < end; row++)
        {
            if (!expected.AsSpan((row * kvHeads + head) * dim, dim).SequenceEqual(actual.Slice((row - first) * dim, dim)))
                Assert.Fail($"Row {row} of head {head} is not what was appended.");
        }
    }

    private static float[] Halves(float[] values) => Array.ConvertAll(values, value => (float)(Half)value);
}
