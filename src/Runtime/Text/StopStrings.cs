namespace Retrieval.Runtime.Text;

/// <summary>
/// Ends generated text before the stop string that is complete first. Text that may still become one is withheld until the next piece decides.
/// For one thread and one generation.
/// </summary>
public sealed class StopStrings
{
    private readonly string[] _stops;

    private string _held = "";

    private bool _stopped;

    /// <param name="stops">The strings; compared by UTF-16 units.</param>
    /// <exception cref="InputException">One of them is empty.</exception>
    public StopStrings(IEnumerable<string> stops)
    {
        _stops = [.. stops];
        if (_stops.Any(string.IsNullOrEmpty))
            throw new InputException("A stop string is empty (\"\"); leave it out or give at least one character.");
    }

    /// <summary>Text that can be shown now. After a stop nothing more comes.</summary>
    /// <param name="piece">The next generated text.</param>
    /// <param name="stopped">A stop string is complete; it and what follows it are not in the result.</param>
    public string Push(string piece, out bool stopped)
    {
        stopped = _stopped;
        if (_stopped)
            return "";
        string text = _held + piece;
        int stop = FirstStop(text);
        if (stop >= 0)
        {
            stopped = _stopped = true;
            _held = "";
            return text[..stop];
        }
        int keep = _stops.Length == 0 ? 0 : _stops.Max(s => PrefixAtEnd(text, s));
        _held = text[^keep..];
        return text[..^keep];
    }

    /// <summary>What was withheld and did not become a stop string; call at the end of generation.</summary>
    public string Flush()
    {
        string rest = _held;
        _held = "";
        return rest;
    }

    // The stop string that is complete first, however the text came in pieces; of those that end together, the longest.
    private int FirstStop(string text)
    {
        (int start, int end) = (-1, int.MaxValue);
        foreach (string stop in _stops)
        {
            int at = text.IndexOf(stop, StringComparison.Ordinal);
            if (at >= 0 && (at + stop.Length, at).CompareTo((end, start)) < 0)
                (start, end) = (at, at + stop.Length);
        }
        return start;
    }

    private static int PrefixAtEnd(string text, string stop)
    {
        for (int length = Math.Min(stop.Length - 1, text.Length); length > 0; length--)
        {
            if (text.AsSpan(text.Length - length).SequenceEqual(stop.AsSpan(0, length)))
                return length;
        }
        return 0;
    }
}
