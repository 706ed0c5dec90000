using System.Runtime.Intrinsics;
using Retrieval.Index.Kernels;

namespace Retrieval.Index;

/// <summary>
/// The lists of the first segments of an index for a block of queries: their bytes are widened once a block, 64 lists at a time,
/// so that scores and weighted means become matrix products. A list's number is that of <see cref="SegmentCursor"/>.
/// </summary>
internal sealed unsafe class ListPanels
{
    private const int Width = 64, Lanes = ListTable.PanelLists;

    private readonly PinnedMemory<float> _panel = new(), _spread = new(), _logCounts = new(), _sizes = new();
    private IvfPqIndex _index = null!;
    private int _segments;

    /// <summary>Lists, segments padded to whole vectors and all together to whole panels.</summary>
    public int Stride { get; private set; }

    /// <summary>[Stride]: rows of each list; 0 in the padding.</summary>
    public float* Sizes => _sizes.Pointer;

    /// <summary>[Stride]: natural logarithms of the sizes; −∞ in the padding.</summary>
    private float* LogCounts => _logCounts.Pointer;

    /// <summary>Takes the first segments of an index.</summary>
    public void Begin(IvfPqIndex index, int segments)
    {
        (_index, _segments) = (index, segments);
        int lists = 0;
        for (int s = 0; s < segments; s++)
            lists += index.Segments[s].PaddedLists;
        Stride = (lists + Width - 1) / Width * Width;
        int dim = index.Codec.Dim;
        _panel.Grow(Math.Max(dim, Width) * Math.Max((dim + Lanes - 1) / Lanes * Lanes, Width));
        _spread.Grow(IvfPqCodec.Bands * Width);
        var sizes = new Span<float>(_sizes.Grow(Stride), Stride);
        var logCounts = new Span<float>(_logCounts.Grow(Stride), Stride);
        sizes.Clear();
        logCounts.Fill(float.NegativeInfinity);
        index.ListSizes.AsSpan(0, lists).CopyTo(sizes);
        for (int s = 0, first = 0; s < segments; first += index.Segments[s++].PaddedLists)
        {
            ListTable table = index.Table(s);
            for (int panel = 0; panel < table.Panels; panel++)
                new ReadOnlySpan<float>(table.LogCounts(panel), Lanes).CopyTo(logCounts[(first + panel * Lanes)..]);
        }
    }

    /// <summary>Logits of all lists for each query, and logarithms of their expected masses.</summary>
    /// <param name="x">[queries, dim], in the codec's coordinates.</param>
    /// <param name="energies">[queries, bands], from <see cref="ListScores.Energies"/>.</param>
    /// <param name="logits">[queries, Stride]</param>
    /// <param name="mass">[queries, Stride]; −∞ in the padding.</param>
    /// <param name="extremes">[queries, <see cref="ListScores.ExtremeFloats"/>]: receives the least and the largest log mass.</param>
    public void Score(float* x, float* energies, int queries, float* logits, float* mass, float* extremes)
    {
        ListScores.Reset(extremes, queries);
        int dim = _index.Codec.Dim;
        var vectors = new VectorCursor(_index, _segments);
        for (int first = 0; first < Stride; first += Width)
        {
            for (int column = 0; column < Width; column += Lanes)
            {
                if (vectors.Next())
                    WidenCentres(vectors.Table, vectors.Panel, _panel.Pointer + column, _spread.Pointer + column, dim);
                else
                    Clear(_panel.Pointer + column, _spread.Pointer + column, dim);
            }
            PanelMultiply.Multiply(x, dim, _panel.Pointer, Width, logits + first, Stride, queries, dim, Width, false);
            PanelMultiply.Multiply(energies, IvfPqCodec.Bands, _spread.Pointer, Width, mass + first, Stride, queries, IvfPqCodec.Bands, Width, false);
            for (int q = 0; q < queries; q++)
                ListScores.Mass(logits + (long)q * Stride + first, LogCounts + first, mass + (long)q * Stride + first, Width, extremes + q * ListScores.ExtremeFloats);
        }
    }

    /// <summary>Adds the mean values of all lists, weighted.</summary>
    /// <param name="weights">[queries, Stride]; 0 in the padding.</param>
    /// <param name="output">[queries, dim]</param>
    public void AddMeans(float* weights, int queries, float* output)
    {
        int dim = _index.Codec.Dim;
        var vectors = new VectorCursor(_index, _segments);
        for (int first = 0; first < Stride; first += Width)
        {
            for (int row = 0; row < Width; row += Lanes)
            {
                if (vectors.Next())
                    WidenMeans(vectors.Table, vectors.Lists, vectors.Panel, _panel.Pointer + row * dim, dim);
                else
                    new Span<float>(_panel.Pointer + row * dim, Lanes * dim).Clear();
            }
            PanelMultiply.Multiply(weights + first, Stride, _panel.Pointer, dim, output, dim, queries, Width, dim, true);
        }
    }

    private static void WidenCentres(ListTable table, int number, float* panel, float* spread, int dim)
    {
        sbyte* centres = table.Centres(number), spreads = table.Spread(number);
        for (int i = 0; i < dim; i++)
        {
            Vector512<float> bytes = ByteColumns.Axis(centres, i);
            Vector512.FusedMultiplyAdd(bytes, Vector512.Create(table.CentreScale[i]), Vector512.Create(table.CentreMiddle[i])).Store(panel + i * Width);
        }
        for (int band = 0; band < IvfPqCodec.Bands; band++)
        {
            Vector512<float> bytes = ByteColumns.Axis(spreads, band);
            (bytes * table.SpreadScale[band]).Store(spread + band * Width);
        }
    }

    private static void Clear(float* panel, float* spread, int dim)
    {
        for (int i = 0; i < dim; i++)
            Vector512<float>.Zero.Store(panel + i * Width);
        for (int band = 0; band < IvfPqCodec.Bands; band++)
            Vector512<float>.Zero.Store(spread + band * Width);
    }

    private static void WidenMeans(ListTable table, int lists, int number, float* rows, int dim)
    {
        int some = Math.Clamp(lists - number * Lanes, 0, Lanes);
        for (int i = 0; i < some; i++)
            ByteRow.Widen(table.Means(number) + i * dim, table.MeanScale(number)[i], rows + i * dim, dim);
        new Span<float>(rows + some * dim, (Lanes - some) * dim).Clear();
    }

    /// <summary>Walks through the segments' lists, sixteen at a time.</summary>
    private struct VectorCursor(IvfPqIndex index, int segments)
    {
        private int _at, _next;

        public readonly ListTable Table => index.Table(_at);

        /// <summary>Lists of the segment.</summary>
        public readonly int Lists => index.Segments[_at].Lists;

        /// <summary>Number of the panel in its segment.</summary>
        public readonly int Panel => _next - 1;

        public bool Next()
        {
            while (_at < segments && _next == Table.Panels)
                (_at, _next) = (_at + 1, 0);
            if (_at == segments)
                return false;
            _next++;
            return true;
        }
    }
}
