using Retrieval.Index;

namespace Retrieval.Runtime.Policies;

/// <summary>Rows copied out of a store, so that a background build need not look at memory that decode goes on writing to.</summary>
internal sealed unsafe class RowCopy : IKeyRows
{
    private readonly float[] _rows;
    private readonly int _first;

    public RowCopy(IKeyRows source, int first, int count)
    {
        (Dim, _first) = (source.Dim, first);
        _rows = new float[count * Dim];
        fixed (float* target = _rows)
            source.Read(first, count, target);
    }

    public int Dim { get; }

    public void Read(int first, int count, float* destination)
        => _rows.AsSpan((first - _first) * Dim, count * Dim).CopyTo(new Span<float>(destination, count * Dim));
}
