using System.Globalization;

namespace Retrieval.Runtime.Models;

/// <summary>
/// Keys and values that describe a model, whichever format they came from, read with their ranges: a missing, mistyped or
/// absurd value is an <see cref="InputException"/> that holds the key and the value. Remembers which keys were asked for,
/// so that an override of a key that nothing reads can be refused.
/// </summary>
/// <param name="values">Values by key; objects of config.json are flattened to dotted keys.</param>
/// <param name="source">File that the messages name.</param>
internal sealed class Settings(Dictionary<string, object> values, string source)
{
    /// <summary>A key that the file sets to null: absent, but on purpose.</summary>
    public static readonly object Null = new();

    private readonly HashSet<string> _asked = new(StringComparer.Ordinal);

    public string Source => source;

    public IReadOnlySet<string> Asked => _asked;

    /// <summary>The value, or null if the key is absent or set to null.</summary>
    public object? Find(string key)
    {
        _asked.Add(key);
        return values.TryGetValue(key, out object? value) && value != Null ? value : null;
    }

    /// <summary>True if the file has the key, even with null as its value.</summary>
    public bool Mentions(string key)
    {
        _asked.Add(key);
        return values.ContainsKey(key);
    }

    /// <summary>True if the file has an object under the key (or any key below it).</summary>
    public bool HasObject(string key)
    {
        _asked.Add(key);
        return values.Keys.Any(k => k.StartsWith(key + ".", StringComparison.Ordinal));
    }

    public int Int(string key, int min, int max) => OptionalInt(key, min, max) ?? throw Missing(key);

    public int? OptionalInt(string key, int min, int max)
    {
        if (Find(key) is not object value)
            return null;
        return ToDouble(value) is double number && number == Math.Floor(number) && number >= min && number <= max
            ? (int)number
            : throw Wrong(key, value, $"a whole number from {min:N0} to {max:N0}");
    }

    public float Float(string key, double min, double max) => OptionalFloat(key, min, max) ?? throw Missing(key);

    public float? OptionalFloat(string key, double min, double max)
    {
        if (Find(key) is not object value)
            return null;
        return ToDouble(value) is double number && number >= min && number <= max
            ? (float)number
            : throw Wrong(key, value, $"a number from {min.ToString(CultureInfo.InvariantCulture)} to {max.ToString(CultureInfo.InvariantCulture)}");
    }

    public bool Bool(string key, bool absent) => Find(key) switch
    {
        null => absent,
        bool value => value,
        object other => throw Wrong(key, other, "true or false"),
    };

    public string? Text(string key) => Find(key) switch
    {
        null => null,
        string value => value,
        object other => throw Wrong(key, other, "a text"),
    };

    /// <summary>An array, or null if absent.</summary>
    public IReadOnlyList<object>? List(string key) => Find(key) switch
    {
        null => null,
        Array value => [.. value.Cast<object>()],
        object other => throw Wrong(key, other, "a list"),
    };

    /// <summary>One whole number or a list of them; empty if absent.</summary>
    public IReadOnlyList<int> Ints(string key, int min, int max)
    {
        if (Find(key) is not object value)
            return [];
        IReadOnlyList<object> items = value is Array array ? [.. array.Cast<object>()] : [value];
        return [.. items.Select(item => ToDouble(item) is double number && number == Math.Floor(number) && number >= min && number <= max
            ? (int)number
            : throw Wrong(key, item, $"whole numbers from {min:N0} to {max:N0}"))];
    }

    public InputException Missing(string key) =>
        new($"{source} has no {key}, which the model needs; the file is incomplete, so download it again or give the value as an override.");

    public InputException Wrong(string key, object value, string expected) =>
        new($"{source}: {key} is {Show(value)} but must be {expected}; correct the file or override the key.");

    /// <summary>A value as messages show it, shortened.</summary>
    public static string Show(object value)
    {
        string text = value switch
        {
            bool flag => flag ? "true" : "false",
            Array array => $"[{string.Join(", ", array.Cast<object>().Take(8).Select(Show))}{(array.Length > 8 ? ", …" : "")}]",
            IFormattable number => number.ToString(null, CultureInfo.InvariantCulture),
            _ when value == Null => "null",
            _ => $"\"{value}\"",
        };
        return text.Length <= 100 ? text : text[..100] + "…";
    }

    private static double? ToDouble(object value) => value switch
    {
        byte or sbyte or short or ushort or int or uint or long or ulong or float or double
            => Convert.ToDouble(value, CultureInfo.InvariantCulture),
        _ => null,
    };
}
