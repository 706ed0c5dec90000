namespace Retrieval.Runtime.Text.Jinja;

/// <summary>Python's value[start:stop:step] of lists and texts, texts by code points.</summary>
internal static class Slices
{
    public static object? Take(object? target, long? start, long? stop, long? step, Budget budget, int line)
    {
        if (step == 0)
            throw TemplateError.At(line, "a slice's step cannot be 0");
        return target switch
        {
            // Long messages are cut often; without surrogates a code point is a character.
            string plain when (step ?? 1) == 1 && !plain.AsSpan().ContainsAnyInRange('\uD800', '\uDFFF') => Cut(plain, start, stop, budget, line),
            List<object?> list => Pick(list, start, stop, step ?? 1, budget, line),
            string text => string.Concat(Pick(Operations.Characters(text, budget, line), start, stop, step ?? 1, budget, line)),
            _ => throw TemplateError.At(line, $"{Values.Describe(target)} has no slices"),
        };
    }

    private static string Cut(string text, long? start, long? stop, Budget budget, int line)
    {
        budget.SpendText(line, text.Length);
        int from = (int)Math.Clamp(start is < 0 ? start.Value + text.Length : start ?? 0, 0, text.Length);
        int to = (int)Math.Clamp(stop is < 0 ? stop.Value + text.Length : stop ?? text.Length, from, text.Length);
        return text[from..to];
    }

    private static List<object?> Pick(List<object?> items, long? start, long? stop, long step, Budget budget, int line)
    {
        long count = items.Count;
        bool forward = step > 0;
        // Places may lie one outside the list at either end, as in Python.
        long low = forward ? 0 : -1, high = forward ? count : count - 1;
        long from = start is { } a ? Math.Clamp(a < 0 ? a + count : a, low, high) : forward ? 0 : count - 1;
        long to = stop is { } b ? Math.Clamp(b < 0 ? b + count : b, low, high) : forward ? count : -1;
        step = Math.Clamp(step, -count - 1, count + 1);
        List<object?> picked = [];
        for (long i = from; forward ? i < to : i > to; i += step)
            picked.Add(items[(int)i]);
        budget.Spend(line, picked.Count);
        return picked;
    }
}
