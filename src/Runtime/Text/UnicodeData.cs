using System.Globalization;

namespace Retrieval.Runtime.Text;

/// <summary>The data of <see cref="UnicodePairs"/> and <see cref="UnicodeMarks"/>, ready for look-ups.</summary>
internal sealed class UnicodeData
{
    private readonly Dictionary<int, byte> _classes = [];

    public UnicodeData()
    {
        foreach (string entry in Entries(UnicodePairs.Twos))
        {
            int sign = entry.AsSpan().IndexOfAny('=', '>'), plus = entry.IndexOf('+');
            int composite = Hex(entry.AsSpan(0, sign));
            (int, int) parts = (Hex(entry.AsSpan(sign + 1, plus - sign - 1)), Hex(entry.AsSpan(plus + 1)));
            Decompositions.Add(composite, parts);
            if (entry[sign] == '=')
                Compositions.Add(parts, composite);
        }
        foreach (string entry in Entries(UnicodeMarks.Ones))
        {
            (int first, int last, int sign) = Range(entry, '>');
            for (int c = first; c <= last; c++)
                Decompositions.Add(c, (Hex(entry.AsSpan(sign + 1)) + c - first, 0));
        }
        foreach (string entry in Entries(UnicodeMarks.Classes))
        {
            (int first, int last, int sign) = Range(entry, ':');
            for (int c = first; c <= last; c++)
                _classes.Add(c, byte.Parse(entry.AsSpan(sign + 1), CultureInfo.InvariantCulture));
        }
    }

    /// <summary>One step of decomposition; the second part is 0 where there is only one.</summary>
    public Dictionary<int, (int First, int Second)> Decompositions { get; } = [];

    /// <summary>Primary composites of two characters.</summary>
    public Dictionary<(int First, int Second), int> Compositions { get; } = [];

    /// <summary>Canonical combining class.</summary>
    public int Class(int c) => c < 0x300 ? 0 : _classes.GetValueOrDefault(c);

    private static string[] Entries(string table) => table.Split([' ', '\r', '\n'], StringSplitOptions.RemoveEmptyEntries);

    private static (int First, int Last, int Sign) Range(string entry, char sign)
    {
        int at = entry.IndexOf(sign), dash = entry.IndexOf('-');
        return dash < 0
            ? (Hex(entry.AsSpan(0, at)), Hex(entry.AsSpan(0, at)), at)
            : (Hex(entry.AsSpan(0, dash)), Hex(entry.AsSpan(dash + 1, at - dash - 1)), at);
    }

    private static int Hex(ReadOnlySpan<char> digits) => int.Parse(digits, NumberStyles.HexNumber, CultureInfo.InvariantCulture);
}
