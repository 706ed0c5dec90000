using Retrieval.TestKit;

namespace Retrieval.Index.Tests.IvfPq;

/// <summary>
/// An index over rows in memory, and the rows packed in its order as a store does it, each segment in memory of its own that
/// ends at a page that may not be touched.
/// </summary>
internal sealed unsafe class PackedIndex : IDisposable
{
    private readonly List<IDisposable> _memory = [];

    /// <param name="first">First row that is indexed; all from there on are.</param>
    /// <param name="halves">16-bit rows instead of 8-bit ones.</param>
    public PackedIndex(MemoryRows keys, MemoryRows values, int first, QueryMoments queries, bool halves, IvfPqOptions? options = null)
    {
        Index = IvfPqIndex.Build(keys, values, first, keys.Count - first, queries, options ?? new IvfPqOptions());
        Keys = new MemoryRows([.. keys.Values], keys.Dim);
        Values = new MemoryRows([.. values.Values], values.Dim);
        Rows = [.. Index.Segments.Select(segment => Pack(segment, halves))];
    }

    public IvfPqIndex Index { get; }

    public PackedRows[] Rows { get; }

    /// <summary>Keys by row number, as the packed rows hold them.</summary>
    public MemoryRows Keys { get; }

    /// <summary>Values by row number, as the packed rows hold them.</summary>
    public MemoryRows Values { get; }

    /// <summary>Attention through the cascade; resident is −∞ if not given.</summary>
    /// <param name="index">Another one over the same segments; null: this one.</param>
    public Attention Attend(float[] queries, CascadeBudget budget, float[]? resident = null, Cascade? cascade = null, IvfPqIndex? index = null)
    {
        int group = queries.Length / Keys.Dim;
        cascade ??= new Cascade();
        resident ??= [.. Enumerable.Repeat(float.NegativeInfinity, group)];
        using var output = new GuardedMemory<float>(queries.Length);
        using var logSumExp = new GuardedMemory<float>(group);
        output.Span.Fill(float.NaN);
        logSumExp.Span.Fill(float.NaN);
        cascade.Run(index ?? Index, Rows, queries, new ResidentAttention(new float[queries.Length], resident), budget, output.Pointer, logSumExp.Pointer);
        return new Attention([.. output.Span.ToArray()], [.. logSumExp.Span.ToArray()], cascade.Bytes);
    }

    public void Dispose()
    {
        foreach (IDisposable memory in _memory)
            memory.Dispose();
    }

    private PackedRows Pack(IvfPqSegment segment, bool halves)
    {
        int dim = Keys.Dim;
        var memory = new GuardedMemory<byte>((int)PackedRows.Bytes(segment.Count, dim, halves));
        _memory.Add(memory);
        var packed = new PackedRows((nint)memory.Pointer, dim, halves);
        for (int place = 0; place < segment.Count; place++)
        {
            int row = segment.First + segment.Order[place];
            fixed (float* key = &Keys.Values[row * dim], value = &Values.Values[row * dim])
            {
                packed.Write(place, key, value);
                packed.ReadKey(place, key);
                packed.ReadValue(place, value);
            }
        }
        return packed;
    }
}
