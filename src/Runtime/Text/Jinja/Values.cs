using System.Collections;
using System.Globalization;
using System.Text.Json;

namespace Retrieval.Runtime.Text.Jinja;

/// <summary>A name, member or item that is not there: empty text, false, no items; anything more is an error.</summary>
internal sealed record Undefined(string Name);

/// <summary>namespace(…): the one value whose members can be set.</summary>
internal sealed class Namespace
{
    public Dictionary<string, object?> Members { get; } = [];
}

/// <summary>Something a template can call: a macro, a global or a method of a value.</summary>
internal delegate object? Function(Values.Call call);

/// <summary>
/// Values of a template: null, bool, long, double, string, <see cref="List{T}"/>, <see cref="OrderedDictionary{TKey, TValue}"/>,
/// <see cref="Undefined"/>, <see cref="Namespace"/> and <see cref="Function"/>, with Python's rules.
/// </summary>
internal static class Values
{
    private const int DeepestInput = 64;

    /// <summary>One call's evaluated arguments.</summary>
    public sealed record Call(int Line, IReadOnlyList<object?> Positional, IReadOnlyDictionary<string, object?> Named, Budget Budget)
    {
        /// <summary>An argument by place or name; <see cref="Jinja.Undefined"/> when it is not given.</summary>
        public object? Get(int place, string name) =>
            place < Positional.Count ? Positional[place] : Named.TryGetValue(name, out object? value) ? value : new Undefined(name);

        public bool Has(int place, string name) => place < Positional.Count || Named.ContainsKey(name);

        public string Text(int place, string name) =>
            Get(place, name) as string ?? throw TemplateError.At(Line, $"argument '{name}' is {Describe(Get(place, name))} where text is expected");

        public long Integer(int place, string name) =>
            TryInteger(Get(place, name), out long value)
                ? value
                : throw TemplateError.At(Line, $"argument '{name}' is {Describe(Get(place, name))} where a whole number is expected");
    }

    /// <summary>A value of the program as one of a template.</summary>
    public static object? FromHost(object? value, int depth = 0)
    {
        if (depth > DeepestInput)
            throw new InputException($"A chat template variable is nested more than {DeepestInput} deep; send simpler tools or messages.");
        return value switch
        {
            null or bool or long or double or string or Function => value,
            JsonElement json => FromJson(json, depth),
            byte or sbyte or short or ushort or int or uint => Convert.ToInt64(value, CultureInfo.InvariantCulture),
            float or decimal => Convert.ToDouble(value, CultureInfo.InvariantCulture),
            IReadOnlyDictionary<string, object?> map => Map(map.Select(p => ((object)p.Key, FromHost(p.Value, depth + 1)))),
            IDictionary map => Map(map.Keys.Cast<object>().Select(k => ((object)k.ToString()!, FromHost(map[k], depth + 1)))),
            IEnumerable list => list.Cast<object?>().Select(item => FromHost(item, depth + 1)).ToList(),
            _ => throw new InputException($"A chat template variable is a {value.GetType().Name}, which templates cannot hold; give text, numbers, lists or maps."),
        };
    }

    public static OrderedDictionary<object, object?> Map(IEnumerable<(object Key, object? Value)> items)
    {
        OrderedDictionary<object, object?> map = [];
        foreach ((object key, object? value) in items)
            map[key] = value;
        return map;
    }

    public static bool Truth(object? value) => value switch
    {
        null or Undefined => false,
        bool flag => flag,
        long number => number != 0,
        double number => number != 0,
        string text => text.Length > 0,
        List<object?> list => list.Count > 0,
        OrderedDictionary<object, object?> map => map.Count > 0,
        _ => true,
    };

    public static bool TryInteger(object? value, out long number)
    {
        number = value switch { long l => l, true => 1, _ => 0 };
        return value is long or bool;
    }

    public static bool TryNumber(object? value, out double number)
    {
        number = value switch { double d => d, long l => l, true => 1, _ => 0 };
        return value is long or double or bool;
    }

    public static string Describe(object? value) => value switch
    {
        null => "none",
        Undefined { Name: var name } => $"'{name}', which is not defined",
        bool => "a truth value",
        long or double => "a number",
        string text => text.Length <= 40 ? $"the text '{text}'" : $"the text '{text[..40]}…'",
        List<object?> => "a list",
        OrderedDictionary<object, object?> => "a map",
        Namespace => "a namespace",
        _ => "a function",
    };

    private static object? FromJson(JsonElement json, int depth) => json.ValueKind switch
    {
        JsonValueKind.True => true,
        JsonValueKind.False => false,
        JsonValueKind.String => json.GetString(),
        JsonValueKind.Number => json.TryGetInt64(out long integer) ? integer : json.GetDouble(),
        JsonValueKind.Array => json.EnumerateArray().Select(item => FromHost(item, depth + 1)).ToList(),
        JsonValueKind.Object => Map(json.EnumerateObject().Select(p => ((object)p.Name, FromHost(p.Value, depth + 1)))),
        _ => null,
    };
}
