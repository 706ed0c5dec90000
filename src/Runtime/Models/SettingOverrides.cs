using System.Globalization;
using System.Text.Json;

namespace Retrieval.Runtime.Models;

/// <summary>
/// KEY=VALUE changes to a checkpoint's configuration. A value is JSON (<c>8192</c>, <c>true</c>, <c>"yarn"</c>,
/// <c>{"type":"linear","factor":2}</c>, <c>null</c>), plain text, or TYPE:VALUE with int, float, bool or str as llama.cpp's
/// --override-kv spells it.
/// </summary>
internal static class SettingOverrides
{
    /// <summary>Applies changes to flattened config.json keys; an object replaces everything under its key.</summary>
    public static void ApplyToJson(IReadOnlyDictionary<string, string>? overrides, Dictionary<string, object> values)
    {
        foreach ((string key, string text) in overrides ?? new Dictionary<string, string>())
        {
            foreach (string nested in values.Keys.Where(k => k.StartsWith(key + ".", StringComparison.Ordinal)).ToArray())
                values.Remove(nested);
            if (text.AsSpan().TrimStart().StartsWith('{'))
                JsonText.Parse(System.Text.Encoding.UTF8.GetBytes(text), $"The override {key}={text}", 16, root => ConfigJson.Flatten(root, key + ".", values));
            else
                values[key] = Parse(key, text);
        }
    }

    /// <summary>Applies changes to GGUF metadata; a value takes the type that the file has for its key, else uint or float.</summary>
    public static void ApplyToGguf(IReadOnlyDictionary<string, string>? overrides, Dictionary<string, object> values)
    {
        foreach ((string key, string text) in overrides ?? new Dictionary<string, string>())
        {
            object value = Parse(key, text);
            if (value == Settings.Null)
                values.Remove(key);
            else
                values[key] = Fit(key, value, values.GetValueOrDefault(key));
        }
    }

    /// <summary>Refuses overrides that nothing read: most often a mistyped key.</summary>
    /// <param name="overrides">The changes.</param>
    /// <param name="before">Keys of the file before the changes.</param>
    /// <param name="settings">The settings after the configuration was read from them.</param>
    public static void RefuseUnknown(IReadOnlyDictionary<string, string>? overrides, IReadOnlySet<string> before, Settings settings)
    {
        foreach (string key in overrides?.Keys ?? [])
        {
            bool known = before.Contains(key) || settings.Asked.Contains(key) || key.StartsWith("tokenizer.ggml.", StringComparison.Ordinal)
                || before.Any(k => k.StartsWith(key + ".", StringComparison.Ordinal));
            if (!known)
                throw new InputException($"The override {key} is not a key of {settings.Source}; known keys are {string.Join(", ", settings.Asked.Order(StringComparer.Ordinal))}.");
        }
    }

    private static object Parse(string key, string text)
    {
        int colon = text.IndexOf(':');
        string? type = colon > 0 ? text[..colon] : null;
        string rest = text[(colon + 1)..];
        InputException Bad() => new($"The override {key}={text} does not hold a value of type {type}; write for example {key}=int:8192, {key}=float:1e6, {key}=bool:true or {key}=str:text.");
        switch (type)
        {
            case "int":
                return long.TryParse(rest, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out long whole) ? whole : throw Bad();
            case "float":
                return double.TryParse(rest, NumberStyles.Float, CultureInfo.InvariantCulture, out double number) ? number : throw Bad();
            case "bool":
                return bool.TryParse(rest, out bool flag) ? flag : throw Bad();
            case "str":
                return rest;
        }
        try
        {
            using JsonDocument document = JsonDocument.Parse(text);
            return ConfigJson.Value(document.RootElement);
        }
        // InvalidOperationException: an escaped lone surrogate.
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            return text;
        }
    }

    private static object Fit(string key, object value, object? old)
    {
        if (value is Array)
            throw new InputException($"The override {key}={Settings.Show(value)} is a list, and lists of GGUF metadata cannot be overridden; give a single value.");
        Type type = old?.GetType() ?? value switch
        {
            long whole and >= 0 and <= uint.MaxValue => typeof(uint),
            double => typeof(float),
            _ => value.GetType(),
        };
        if (value.GetType() == type)
            return value;
        try
        {
            bool rounds = value is double number && number != Math.Floor(number) && type != typeof(float) && type != typeof(double);
            if (type.IsPrimitive && type != typeof(bool) && value is long or double && !rounds)
                return Convert.ChangeType(value, type, CultureInfo.InvariantCulture);
        }
        catch (OverflowException)
        {
            // Reported below: a number that the file's type cannot hold.
        }
        throw new InputException($"The override {key}={Settings.Show(value)} does not fit the file's value {Settings.Show(old!)} of type {type.Name}; give a value of that type.");
    }
}
