using System.Text;

namespace Retrieval.Runtime.Text;

/// <summary>
/// Unicode normalization form C (UAX #15): decompose, order the combining marks, compose. string.Normalize does nothing
/// beyond ASCII when a program runs with invariant globalization, and a tokenizer that trusted it would be silently wrong.
/// </summary>
internal static class CanonicalComposition
{
    private const int HangulFirst = 0xAC00, LeadFirst = 0x1100, VowelFirst = 0x1161, TailFirst = 0x11A7;

    private const int Leads = 19, Vowels = 21, Tails = 28;

    private static readonly UnicodeData Data = new();

    public static string Compose(string text)
    {
        // Nothing below U+0300 composes with what stands before it or changes by itself.
        if (!text.AsSpan().ContainsAnyExceptInRange('\0', '\u02FF'))
            return text;
        List<int> points = new(text.Length);
        Decompose(text, points);
        Order(points);
        return Recompose(points);
    }

    private static void Decompose(string text, List<int> points)
    {
        for (int i = 0; i < text.Length; i++)
        {
            int c = text[i];
            if (char.IsSurrogatePair(text, i))
                c = char.ConvertToUtf32(text[i], text[++i]);
            Expand(c, points);
        }
    }

    private static void Expand(int c, List<int> points)
    {
        if (c is >= HangulFirst and < HangulFirst + Leads * Vowels * Tails)
        {
            int index = c - HangulFirst;
            points.Add(LeadFirst + index / (Vowels * Tails));
            points.Add(VowelFirst + index / Tails % Vowels);
            if (index % Tails > 0)
                points.Add(TailFirst + index % Tails);
        }
        else if (c >= 0xC0 && Data.Decompositions.TryGetValue(c, out (int First, int Second) parts))
        {
            Expand(parts.First, points);
            if (parts.Second != 0)
                Expand(parts.Second, points);
        }
        else
        {
            points.Add(c);
        }
    }

    // Marks after a starter go in order of their class, those of one class as they came. Sorted, not bubbled: text may be
    // one endless run of marks.
    private static void Order(List<int> points)
    {
        for (int i = 0; i < points.Count; i++)
        {
            if (Data.Class(points[i]) == 0)
                continue;
            int end = i + 1;
            bool ordered = true;
            while (end < points.Count && Data.Class(points[end]) is > 0 and int kind)
                ordered &= kind >= Data.Class(points[end++ - 1]);
            if (!ordered)
            {
                int[] sorted = [.. points[i..end].OrderBy(Data.Class)];
                for (int k = 0; k < sorted.Length; k++)
                    points[i + k] = sorted[k];
            }
            i = end;
        }
    }

    private static string Recompose(List<int> points)
    {
        int count = 0, starter = -1, lastClass = 0;
        for (int i = 0; i < points.Count; i++)
        {
            int c = points[i], kind = Data.Class(c);
            // A mark is blocked by an earlier mark of its own class or higher; a starter composes only with its neighbour.
            bool adjacent = starter == count - 1;
            if (starter >= 0 && (adjacent || (lastClass != 0 && lastClass < kind)) && Pair(points[starter], c) is > 0 and int composed)
            {
                points[starter] = composed;
                continue;
            }
            if (kind == 0)
                starter = count;
            lastClass = kind;
            points[count++] = c;
        }
        StringBuilder text = new(count);
        for (int i = 0; i < count; i++)
        {
            if (points[i] <= char.MaxValue)
                text.Append((char)points[i]);
            else
                text.Append(char.ConvertFromUtf32(points[i]));
        }
        return text.ToString();
    }

    private static int Pair(int first, int second)
    {
        if (first is >= LeadFirst and < LeadFirst + Leads && second is >= VowelFirst and < VowelFirst + Vowels)
            return HangulFirst + ((first - LeadFirst) * Vowels + second - VowelFirst) * Tails;
        if (first is >= HangulFirst and < HangulFirst + Leads * Vowels * Tails && (first - HangulFirst) % Tails == 0
            && second is > TailFirst and < TailFirst + Tails)
            return first + second - TailFirst;
        return Data.Compositions.GetValueOrDefault((first, second));
    }
}
