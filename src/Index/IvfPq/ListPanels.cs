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

    // Panels of lists.
    private int _count;

    /// <summary>Lists, segments padded to whole vectors and all together to whole panels.</summary>
    public int Stride { get; private set; }

    /// <summary>[Stride]: rows of each list; 0 in the padding.</summary>
    public float* Sizes => _sizes.Pointer;

    /// <summary>[Stride]: natural logarithms of the sizes; −∞ in the padding.</summary>
    private float* LogCounts => _logCounts.Pointer;

    /// <summary>Takes the first segments of an index.</summary>
    public void Begin(IvfPqIndex index, int segments)
    {
        _index = index;
        int lists = index.FirstLists[segments];
        Stride = (lists + Width - 1) / Width * Width;
        int dim = index.Codec.Dim;
        _panel.Grow(Math.Max(dim, Width) * Math.Max((dim + Lanes - 1) / Lanes * Lanes, Width));
        _spread.Grow(IvfPqCodec.Bands * Width);
        var sizes = new Span<float>(_sizes.Grow(Stride), Stride);
        var logCounts = new Span<float>(_logCounts.Grow(Stride), Stride);
        sizes.Clear();
        logCounts.Fill(float.NegativeInfinity);
        index.ListSizes.AsSpan(0, lists).CopyTo(sizes);
        _count = lists / Lanes;
        for (int panel = 0; panel < _count; panel++)
            new ReadOnlySpan<float>(index.Lists.LogCounts(panel), Lanes).CopyTo(logCounts[(panel * Lanes)..]);
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
        for (int first = 0; first < Stride; first += Width)
        {
            for (int column = 0; column < Width; column += Lanes)
            {
                int panel = (first + column) / Lanes;
                if (panel < _count)
                    WidenCentres(_index.Codec, _index.Lists, panel, _panel.Pointer + column, _spread.Pointer + column);
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
        for (int first = 0; first < Stride; first += Width)
        {
            for (int row = 0; row < Width; row += Lanes)
            {
                int panel = (first + row) / Lanes;
                if (panel < _count)
                    WidenMeans(_index.Lists, panel, _panel.Pointer + row * dim, dim);
                else
                    new Span<float>(_panel.Pointer + row * dim, Lanes * dim).Clear();
            }
            PanelMultiply.Multiply(weights + first, Stride, _panel.Pointer, dim, output, dim, queries, Width, dim, true);
        }
    }

    private static void WidenCentres(IvfPqCodec codec, ListTable lists, int number, float* panel, float* spread)
    {
        sbyte* centres = lists.Centres(number), spreads = lists.Spread(number);
        (Vector512<float> ofCentres, Vector512<float> ofSpreads) = ListScale.OfPanel(lists.Scales(number));
        for (int i = 0; i < codec.Dim; i++)
        {
            Vector512<float> scaled = ByteColumns.Axis(centres, i) * ofCentres;
            Vector512.FusedMultiplyAdd(scaled, Vector512.Create(codec.CentreScale[i]), Vector512.Create(codec.CentreMiddle[i])).Store(panel + i * Width);
        }
        for (int band = 0; band < IvfPqCodec.Bands; band++)
            (ByteColumns.Axis(spreads, band) * ofSpreads).Store(spread + band * Width);
    }

    private static void Clear(float* panel, float* spread, int dim)
    {
        for (int i = 0; i < dim; i++)
            Vector512<float>.Zero.Store(panel + i * Width);
        for (int band = 0; band < IvfPqCodec.Bands; band++)
            Vector512<float>.Zero.Store(spread + band * Width);
    }

    /// <summary>Those of the padding weigh nothing.</summary>
    private static void WidenMeans(ListTable lists, int number, float* rows, int dim)
    {
        for (int i = 0; i < Lanes; i++)
            ByteRow.Widen(lists.Means(number) + i * dim, lists.MeanScale(number)[i], rows + i * dim, dim);
    }
}
