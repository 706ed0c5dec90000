namespace Retrieval.Index;

/// <summary>Walks through some panels of an index's lists, those of one segment at a time.</summary>
/// <param name="panels">Their numbers, ascending, counted through all segments.</param>
/// <param name="places">Receives their numbers in their segments.</param>
/// <param name="begin">First of them to walk through.</param>
internal unsafe ref struct PanelRuns(IvfPqIndex index, int* panels, int* places, int begin, int end)
{
    private const int Lanes = ListTable.PanelLists;

    public int Segment { get; private set; }

    /// <summary>Which of the panels is the first of the run.</summary>
    public int First { get; private set; } = begin;

    /// <summary>Panels of the run.</summary>
    public int Count { get; private set; }

    /// <summary>Goes to the next run; false: that was the last.</summary>
    public bool Next()
    {
        First += Count;
        Count = 0;
        if (First >= end)
            return false;
        int[] firstLists = index.FirstLists;
        while (panels[First] * Lanes >= firstLists[Segment + 1])
            Segment++;
        int segmentFirst = firstLists[Segment] / Lanes, segmentEnd = firstLists[Segment + 1] / Lanes;
        for (int k = First; k < end && panels[k] < segmentEnd; k++, Count++)
            places[k] = panels[k] - segmentFirst;
        return true;
    }

    /// <summary>Asks the memory for what the run's scores are made of.</summary>
    public readonly void PrefetchScores()
    {
        ListTable table = index.Table(Segment);
        table.PrefetchScales();
        for (int k = First; k < First + Count; k++)
            table.PrefetchScores(places[k]);
    }

    /// <summary>Where the run's mean values lie; their scales are asked for.</summary>
    /// <param name="memory">What places are relative to.</param>
    /// <param name="values">[panels of all runs], receives those of this one.</param>
    public readonly void PlaceValues(byte* memory, int* values)
    {
        ListTable table = index.Table(Segment);
        for (int k = First; k < First + Count; k++)
        {
            table.PrefetchMeanScale(places[k]);
            values[k] = (int)((byte*)table.MeanScale(places[k]) - memory);
        }
    }
}
