using Retrieval.Index.Kernels;

namespace Retrieval.Index;

/// <summary>Where what belongs to a list lies.</summary>
/// <param name="Rows">How many.</param>
/// <param name="Codes">Its first block.</param>
/// <param name="FirstPlace">Place of its first row in its segment.</param>
internal readonly record struct OpenedList(int Rows, nint Codes, int Segment, int FirstPlace);

/// <summary>The lists whose codes are read, and where their rows stand in the scratch memory of a <see cref="Cascade"/>: list after list, in whole blocks.</summary>
internal sealed unsafe class OpenedLists
{
    private const int RowsOfPart = 1024;

    private int[] _entries = [], _starts = [0], _partStarts = [0];
    private OpenedList[] _lists = [];

    public int Count { get; private set; }

    /// <summary>Rows of all opened lists, each rounded up to whole blocks.</summary>
    public int Stride { get; private set; }

    public int Parts { get; private set; }

    /// <summary>Entries of the lists in a <see cref="ListLevel"/>, ascending.</summary>
    public ReadOnlySpan<int> Entries => _entries.AsSpan(0, Count);

    public ReadOnlySpan<OpenedList> Lists => _lists.AsSpan(0, Count);

    /// <summary>Where each list's rows begin and, last, the stride.</summary>
    public ReadOnlySpan<int> Starts => _starts.AsSpan(0, Count + 1);

    /// <summary>Chooses the lists of largest score.</summary>
    /// <param name="most">Rows, at most.</param>
    /// <param name="rest">Sum of the scores that may stay closed; null: only the budget counts.</param>
    /// <param name="least">Score from which on a list is worth opening.</param>
    public void Open(IvfPqIndex index, ListLevel lists, int most, double? rest, float least)
    {
        // Groups cannot be opened.
        int count = lists.Count - lists.Groups;
        Scratch.Grow(ref _entries, count);
        Scratch.Grow(ref _lists, count);
        Scratch.Grow(ref _starts, count + 1);
        fixed (float* allScores = lists.Scores)
        fixed (int* entries = _entries)
        {
            float* scores = allScores + lists.Groups;
            Count = ScoreThreshold.Collect(scores, count, ErrorTarget.Threshold(scores, lists.Sizes + lists.Groups, count, most, rest, least), entries);
        }
        Stride = 0;
        int blockBytes = CodeScan.BlockBytes(index.Codec.Quantizer.Subspaces);
        for (int i = 0, segment = 0; i < Count; i++)
        {
            int entry = _entries[i] += lists.Groups, rows = (int)lists.Sizes[entry];
            ListPlace place = lists.Place(entry, ref segment);
            _lists[i] = new OpenedList(rows, index.Codes[segment] + (nint)place.Block * blockBytes, segment, place.Row);
            _starts[i] = Stride;
            Stride += CodeScan.Blocks(rows) * CodeScan.BlockRows;
        }
        _starts[Count] = Stride;
        Parts = RowParts.Count(Stride, RowsOfPart);
        Scratch.Grow(ref _partStarts, Parts + 1);
        for (int part = 0; part <= Parts; part++)
            _partStarts[part] = FirstFrom(part * RowParts.Size(Stride, RowsOfPart));
    }

    /// <summary>The opened lists of a part: those that begin in it.</summary>
    public (int Begin, int End) Of(int part) => (_partStarts[part], _partStarts[part + 1]);

    /// <summary>Which of the opened lists has a place.</summary>
    public int Holding(int place)
    {
        int at = FirstFrom(place + 1) - 1;
        while (_starts[at] > place)
            at--;
        return at;
    }

    private int FirstFrom(int start)
    {
        int at = _starts.AsSpan(0, Count).BinarySearch(start);
        return at < 0 ? ~at : at;
    }
}
