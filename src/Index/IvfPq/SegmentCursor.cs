namespace Retrieval.Index;

/// <summary>
/// Walks through the lists of all segments. A list's number counts through the segments, their padding included; where all lists are scored it is
/// also the list's place among the scores.
/// </summary>
internal ref struct SegmentCursor
{
    private readonly ReadOnlySpan<IvfPqSegment> _segments;
    private readonly int[] _firstLists;

    public SegmentCursor(IvfPqIndex index)
    {
        _segments = index.SegmentSpan;
        _firstLists = index.FirstLists;
        List = -1;
    }

    /// <summary>Which segment.</summary>
    public int Index { get; private set; }

    /// <summary>Number of the list in its segment.</summary>
    public int List { get; private set; }

    public readonly IvfPqSegment Segment => _segments[Index];

    public readonly int Number => _firstLists[Index] + List;

    /// <summary>Rows of the list.</summary>
    public readonly int Rows => Segment.ListCount(List);

    /// <summary>Place of the list's first row in its segment.</summary>
    public readonly int FirstPlace => Segment.ListStarts[List];

    /// <summary>Goes to the next list; false: that was the last.</summary>
    public bool Next()
    {
        if (Index == _segments.Length)
            return false;
        if (++List < Segment.Lists)
            return true;
        List = 0;
        return ++Index < _segments.Length;
    }

    /// <summary>Goes to a list, not before the current one.</summary>
    public void MoveTo(int number)
    {
        while (number >= _firstLists[Index + 1])
            Index++;
        List = number - _firstLists[Index];
    }
}
