using Retrieval.Index.Kernels;

namespace Retrieval.Index;

/// <summary>
/// Quest (Tang et al., arXiv 2406.10774): rows in pages, of which only the largest and the smallest element of every axis are
/// kept, as float16. For a query q they bound every logit of a page: q · k ≤ Σ_d max(q_d · max_d, q_d · min_d). A search scores
/// all pages and returns the rows of the best, without having read them.
/// </summary>
/// <remarks>
/// The paper chooses pages for each query head; here the heads of a group share one choice. The bounds are combined as
/// <see cref="FlatIndex"/> combines logits: the score of a page, and of each of its rows, is Σ_g softmax_g(bound), the softmax over
/// the pages. The last page may be partly filled; its bounds are those of the rows that are there.
/// </remarks>
public sealed unsafe class PageIndex : IKeyIndex
{
    internal const int MostPageRows = 128;

    private readonly IKeyRows _rows;
    private readonly int _first;

    // [pages, 2, dim], halves.
    private ushort[] _bounds = [];

    private Hit[] _chosen = [];

    /// <param name="rows">Source of the rows; read when they are appended, and those of a page that is cut.</param>
    /// <param name="first">Number of the first row.</param>
    /// <param name="pageRows">Rows of a page, 1 to 128; the paper's 16 by default.</param>
    public PageIndex(IKeyRows rows, int first = 0, int pageRows = 16)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(first);
        ArgumentOutOfRangeException.ThrowIfLessThan(pageRows, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(pageRows, MostPageRows);
        (_rows, _first, PageRows) = (rows, first, pageRows);
    }

    /// <summary>Rows of a page.</summary>
    public int PageRows { get; }

    public int Count { get; private set; }

    /// <summary>Pages, the last of which may be partly filled.</summary>
    public int Pages => (int)(((long)Count + PageRows - 1) / PageRows);

    public long Bytes => sizeof(ushort) * (long)_bounds.Length;

    /// <summary>Bytes that every search reads to choose rows: two halves for each axis and page. The chosen rows' own bytes are not in it.</summary>
    public long SearchBytes => sizeof(ushort) * (long)Pages * Width;

    // Elements of a page's bounds.
    private int Width => 2 * _rows.Dim;

    public void Append(int count)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        int page = Count / PageRows;
        Count = checked(Count + count);
        if (count == 0)
            return;
        if ((long)Pages * Width > _bounds.Length)
            Array.Resize(ref _bounds, checked((int)(((long)Pages + Pages / 8) * Width)));
        for (; page < Pages; page++)
            Bound(page);
    }

    public void Truncate(int count)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        if (count >= Count)
            return;
        Count = count;
        // Bounds of rows that are gone would still hold, but an index must not depend on what it once covered.
        if (count % PageRows != 0)
            Bound(Pages - 1);
    }

    public int Search(ReadOnlySpan<float> queries, int k, Span<Hit> hits)
    {
        int pages = Pages, group = queries.Length / _rows.Dim;
        if (pages == 0 || k <= 0)
            return 0;
        (float[] scores, float[] scratch) = GroupWeights.Buffers(group, pages);
        fixed (ushort* bounds = _bounds)
        fixed (float* query = queries, score = scores)
            MinMax.Scores(bounds, pages, _rows.Dim, query, group, score, pages);
        GroupWeights.Sum(scores, group, pages);
        return Choose(scores.AsSpan(0, pages), scratch, Math.Min(k, Count), hits);
    }

    /// <summary>The rows of the best pages; of the worst page that is needed only the first, so that there are k.</summary>
    private int Choose(ReadOnlySpan<float> scores, float[] scratch, int k, Span<Hit> hits)
    {
        int needed = (k + PageRows - 1) / PageRows;
        if (_chosen.Length < needed + 1)
            _chosen = new Hit[needed + needed / 4 + 1];
        Hit[] chosen = _chosen;
        int found = TopK.Select(scores, scratch, needed, 0, chosen), rows = RowsOf(chosen.AsSpan(0, found));
        if (rows < k)
        {
            // The partly filled page is one of the best: one page more fills the gap.
            found = TopK.Select(scores, scratch, needed + 1, 0, chosen);
            rows = RowsOf(chosen.AsSpan(0, found));
        }
        int worst = 0;
        for (int i = 1; i < found; i++)
        {
            if (chosen[i].Score <= chosen[worst].Score)
                worst = i;
        }
        int written = 0;
        for (int i = 0; i < found; i++)
        {
            int take = RowsOf(chosen[i].Row) - (i == worst ? rows - k : 0);
            for (int r = 0; r < take; r++)
                hits[written++] = new Hit(_first + chosen[i].Row * PageRows + r, chosen[i].Score);
        }
        return written;
    }

    private int RowsOf(ReadOnlySpan<Hit> pages)
    {
        int rows = 0;
        foreach (Hit page in pages)
            rows += RowsOf(page.Row);
        return rows;
    }

    private int RowsOf(int page) => Math.Min(PageRows, Count - page * PageRows);

    private void Bound(int page)
    {
        int count = RowsOf(page), dim = _rows.Dim;
        float* rows = stackalloc float[count * dim];
        _rows.Read(_first + page * PageRows, count, rows);
        fixed (ushort* bounds = &_bounds[page * Width])
            MinMax.Bounds(rows, count, dim, bounds);
    }

    /// <summary>Writes the bounds of all pages; the rows themselves belong to somebody else.</summary>
    public void Save(Stream stream) => IndexFile.Save(stream, IndexKind.Page, new IndexShape(_rows.Dim, _first, Count), writer =>
    {
        writer.Write(PageRows);
        writer.Write<ushort>(_bounds.AsSpan(0, Pages * Width));
    });

    /// <summary>Reads what <see cref="Save"/> wrote.</summary>
    /// <param name="rows">The rows that were covered; they are read again only where a page changes.</param>
    /// <param name="available">Rows that the source has; an index that covers more is refused.</param>
    /// <exception cref="InvalidDataException">The stream holds no undamaged index of this kind over rows of this shape.</exception>
    public static PageIndex Load(Stream stream, IKeyRows rows, int available) => IndexFile.Load(stream, IndexKind.Page, (shape, reader) =>
    {
        shape.Expect(rows, available);
        var index = new PageIndex(rows, shape.First, reader.ReadInt(1, MostPageRows, "page rows")) { Count = shape.Count };
        index._bounds = reader.ReadArray<ushort>((long)index.Pages * index.Width, "bounds");
        for (int i = 0; i < index._bounds.Length; i++)
        {
            // Comparisons with what is not a number are false.
            Half bound = BitConverter.UInt16BitsToHalf(index._bounds[i]);
            bool largest = i % index.Width < shape.Dim;
            if (!Half.IsFinite(bound) || (largest && !(bound >= BitConverter.UInt16BitsToHalf(index._bounds[i + shape.Dim]))))
                throw IndexReader.Error($"bound {i} is {bound}, out of order or no number");
        }
        return index;
    });
}
