using Retrieval.Index.Kernels;

namespace Retrieval.Index;

/// <summary>The lists whose codes are read, and where their rows stand in the scratch memory of a <see cref="Cascade"/>: list after list, in whole blocks.</summary>
internal sealed unsafe class OpenedLists
{
    private const int RowsOfPart = 1024;

    private int[] _numbers = [], _starts = [0];

    public int Count { get; private set; }

    /// <summary>Rows of all opened lists, each rounded up to whole blocks.</summary>
    public int Stride { get; private set; }

    public int Parts => RowParts.Count(Stride, RowsOfPart);

    /// <summary>Numbers of the lists, ascending, as in <see cref="SegmentCursor"/>.</summary>
    public ReadOnlySpan<int> Numbers => _numbers.AsSpan(0, Count);

    /// <summary>Where each list's rows begin and, last, the stride.</summary>
    public ReadOnlySpan<int> Starts => _starts.AsSpan(0, Count + 1);

    /// <summary>Chooses the lists of largest score.</summary>
    /// <param name="most">Rows, at most.</param>
    /// <param name="rest">Sum of the scores that may stay closed; null: only the budget counts.</param>
    /// <param name="least">Score from which on a list is worth opening.</param>
    public void Open(IvfPqIndex index, ListLevel lists, int most, double? rest, float least)
    {
        Scratch.Grow(ref _numbers, lists.Count);
        Scratch.Grow(ref _starts, lists.Count + 1);
        fixed (float* scores = lists.Scores, sizes = index.ListSizes)
        fixed (int* numbers = _numbers)
            Count = ScoreThreshold.Collect(scores, lists.Count, ErrorTarget.Threshold(scores, sizes, lists.Count, most, rest, least), numbers);
        Stride = 0;
        for (int i = 0; i < Count; i++)
        {
            _starts[i] = Stride;
            Stride += ((int)index.ListSizes[_numbers[i]] + IvfPqSegment.BlockRows - 1) / IvfPqSegment.BlockRows * IvfPqSegment.BlockRows;
        }
        _starts[Count] = Stride;
    }

    /// <summary>The opened lists of a part: those that begin in it.</summary>
    public (int Begin, int End) Of(int part)
    {
        (int begin, int end) = RowParts.Of(Stride, RowsOfPart, part);
        return (FirstFrom(begin), FirstFrom(end));
    }

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
