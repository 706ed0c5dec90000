using System.Text.Json;

namespace Retrieval.Runtime.Models;

/// <summary>config.json as flat keys: nested objects become dotted keys (<c>rope_scaling.factor</c>).</summary>
internal static class ConfigJson
{
    /// <exception cref="InputException">The file is missing or is not a JSON object.</exception>
    public static Dictionary<string, object> ReadFile(string path)
    {
        Dictionary<string, object> values = [];
        JsonText.ParseFile(path, root => Flatten(root, "", values));
        return values;
    }

    /// <summary>Adds an object's properties under a prefix ("" or ending in a dot).</summary>
    public static void Flatten(JsonElement element, string prefix, Dictionary<string, object> values)
    {
        foreach (JsonProperty property in element.EnumerateObject())
        {
            string key = prefix + property.Name;
            if (property.Value.ValueKind == JsonValueKind.Object)
                Flatten(property.Value, key + ".", values);
            else
                values[key] = Value(property.Value);
        }
    }

    /// <summary>long, double, bool, string, object[] or <see cref="Settings.Null"/>; an object in a list stays raw text.</summary>
    public static object Value(JsonElement element) => element.ValueKind switch
    {
        JsonValueKind.True => true,
        JsonValueKind.False => false,
        JsonValueKind.Null => Settings.Null,
        JsonValueKind.String => element.GetString()!,
        JsonValueKind.Number => element.TryGetInt64(out long whole) ? (object)whole : element.GetDouble(),
        JsonValueKind.Array => element.EnumerateArray().Select(Value).ToArray(),
        _ => element.GetRawText(),
    };
}
