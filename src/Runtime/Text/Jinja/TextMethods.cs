namespace Retrieval.Runtime.Text.Jinja;

/// <summary>Methods of texts, with Python's meaning.</summary>
internal static class TextMethods
{
    /// <summary>The method of this name; null if it is not known.</summary>
    public static Function? Find(string text, string name)
    {
        Func<Values.Call, object?>? method = name switch
        {
            "strip" => call => Strip(text, call, true, true),
            "lstrip" => call => Strip(text, call, true, false),
            "rstrip" => call => Strip(text, call, false, true),
            "startswith" => call => Affixes(call).Any(a => text.StartsWith(a, StringComparison.Ordinal)),
            "endswith" => call => Affixes(call).Any(a => text.EndsWith(a, StringComparison.Ordinal)),
            "removeprefix" => call => text.StartsWith(call.Text(0, "prefix"), StringComparison.Ordinal) ? text[call.Text(0, "prefix").Length..] : text,
            "removesuffix" => call => text.EndsWith(call.Text(0, "suffix"), StringComparison.Ordinal) ? text[..^call.Text(0, "suffix").Length] : text,
            "upper" => _ => text.ToUpperInvariant(),
            "lower" => _ => text.ToLowerInvariant(),
            "capitalize" => _ => Capitalize(text),
            "title" => _ => Title(text),
            "replace" => call => Replace(text, call.Text(0, "old"), call.Text(1, "new"), call.Has(2, "count") ? call.Integer(2, "count") : -1, call),
            "split" => call => Split(text, call, fromEnd: false),
            "rsplit" => call => Split(text, call, fromEnd: true),
            "splitlines" => _ => text.Length == 0 ? [] : text.TrimEnd('\n').Split('\n').Cast<object?>().ToList(),
            "join" => call => Filters.Join(Operations.Items(call.Get(0, "iterable"), call.Budget, call.Line), text, call),
            "find" => call => (long)text.IndexOf(call.Text(0, "sub"), StringComparison.Ordinal),
            "count" => call => Count(text, call.Text(0, "sub")),
            "isdigit" => _ => text.Length > 0 && text.All(char.IsDigit),
            "isalpha" => _ => text.Length > 0 && text.All(char.IsLetter),
            "isalnum" => _ => text.Length > 0 && text.All(char.IsLetterOrDigit),
            "isspace" => _ => text.Length > 0 && text.All(char.IsWhiteSpace),
            "isupper" => _ => text.Any(char.IsUpper) && !text.Any(char.IsLower),
            "islower" => _ => text.Any(char.IsLower) && !text.Any(char.IsUpper),
            _ => null,
        };
        return method is null ? null : call =>
        {
            call.Budget.SpendText(call.Line, text.Length);
            return method(call);
        };
    }

    public static string Capitalize(string text) =>
        text.Length == 0 ? text : char.ToUpperInvariant(text[0]) + text[1..].ToLowerInvariant();

    public static string Title(string text)
    {
        char[] letters = text.ToCharArray();
        for (int i = 0; i < letters.Length; i++)
            letters[i] = i > 0 && char.IsLetter(letters[i - 1]) ? char.ToLowerInvariant(letters[i]) : char.ToUpperInvariant(letters[i]);
        return new string(letters);
    }

    /// <summary>Replaces so many occurrences from the left; all for a negative count.</summary>
    public static string Replace(string text, string from, string to, long count, Values.Call call)
    {
        if (from.Length == 0)
            throw TemplateError.At(call.Line, "'replace' needs text to look for");
        long most = count < 0 ? long.MaxValue : count, found = Math.Min(most, Count(text, from));
        call.Budget.SpendText(call.Line, text.Length + found * Math.Max(0, to.Length - from.Length));
        if (found < most)
            return text.Replace(from, to, StringComparison.Ordinal);
        string[] parts = text.Split(from, (int)Math.Min(found + 1, int.MaxValue));
        return string.Join(to, parts);
    }

    private static long Count(string text, string part)
    {
        long count = 0;
        for (int at = 0; part.Length > 0 && (at = text.IndexOf(part, at, StringComparison.Ordinal)) >= 0; at += part.Length)
            count++;
        return count;
    }

    private static string Strip(string text, Values.Call call, bool left, bool right)
    {
        char[]? set = call.Get(0, "chars") is string chars ? chars.ToCharArray() : null;
        if (set is { Length: 0 })
            return text;
        text = left ? text.TrimStart(set) : text;
        return right ? text.TrimEnd(set) : text;
    }

    private static IEnumerable<string> Affixes(Values.Call call) =>
        call.Get(0, "prefix") is List<object?> several ? several.OfType<string>() : [call.Text(0, "prefix")];

    private static List<object?> Split(string text, Values.Call call, bool fromEnd)
    {
        long most = call.Has(1, "maxsplit") ? call.Integer(1, "maxsplit") : -1;
        if (call.Get(0, "sep") is not string separator)
        {
            if (most >= 0)
                throw TemplateError.At(call.Line, "'split' by white space with a limit is not supported");
            return [.. text.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries)];
        }
        if (separator.Length == 0)
            throw TemplateError.At(call.Line, "'split' needs a separator");
        List<object?> parts = [.. text.Split(separator)];
        call.Budget.Spend(call.Line, parts.Count);
        if (most < 0 || parts.Count - 1 <= most)
            return parts;
        // Too many: the rest stays one text, at the end or (rsplit) at the start.
        int rest = parts.Count - (int)most;
        (int start, int keep) = fromEnd ? (0, rest) : ((int)most, rest);
        string joined = string.Join(separator, parts.GetRange(start, keep));
        parts.RemoveRange(start, keep);
        parts.Insert(start, joined);
        return parts;
    }
}
