namespace Retrieval.Runtime.Text;

/// <summary>
/// Which two neighbouring symbols merge, how soon (a smaller rank goes first) and into what. An open-addressing table
/// because encoding does little else than look pairs up.
/// </summary>
internal sealed class MergeTable
{
    public const int None = int.MaxValue;

    private readonly Entry[] _entries;

    private readonly int _mask;

    public MergeTable(int count)
    {
        int size = 16;
        while (size < 2L * count)
            size *= 2;
        _entries = new Entry[size];
        _mask = size - 1;
    }

    /// <summary>Adds a merge; one that is already there is replaced.</summary>
    public void Set(int left, int right, int rank, int result)
    {
        ulong pair = Pair(left, right);
        int i = Slot(pair);
        while (_entries[i].Used && _entries[i].Pair != pair)
            i = (i + 1) & _mask;
        _entries[i] = new Entry(pair, rank, result, true);
    }

    /// <summary>Rank of the merge of two symbols, or <see cref="None"/>.</summary>
    public int Rank(int left, int right, out int result)
    {
        ulong pair = Pair(left, right);
        for (int i = Slot(pair); ; i = (i + 1) & _mask)
        {
            ref readonly Entry entry = ref _entries[i];
            if (!entry.Used)
            {
                result = 0;
                return None;
            }
            if (entry.Pair == pair)
            {
                result = entry.Result;
                return entry.Rank;
            }
        }
    }

    public static ulong Pair(int left, int right) => (ulong)(uint)left << 32 | (uint)right;

    private int Slot(ulong pair)
    {
        pair *= 0x9E3779B97F4A7C15;
        return (int)(pair >> 33 ^ pair >> 17) & _mask;
    }

    private readonly record struct Entry(ulong Pair, int Rank, int Result, bool Used);
}
