using System.Text.Json;

namespace Retrieval.Runtime.Text;

/// <summary>Reads one JSON file strictly: what is missing, of the wrong kind or unknown is refused with file, place and value.</summary>
internal sealed class JsonFields(string file)
{
    private const long LargestFile = 512L << 20;

    /// <summary>The root object of the file.</summary>
    public JsonElement Load()
    {
        byte[] bytes;
        try
        {
            long length = new FileInfo(file).Length;
            if (length > LargestFile)
                throw new InputException($"'{file}' has {length:N0} bytes, more than the {LargestFile:N0} allowed for a tokenizer file; check that it is the right file.");
            bytes = File.ReadAllBytes(file);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new InputException($"'{file}' cannot be read ({error.Message}); give a folder that holds the model's tokenizer files.", error);
        }
        int mark = bytes.AsSpan().StartsWith("\uFEFF"u8) ? 3 : 0;
        return Strictly(() =>
        {
            JsonElement root = JsonDocument.Parse(bytes.AsMemory(mark)).RootElement;
            return root.ValueKind == JsonValueKind.Object ? root : throw Bad("the file", "is not a JSON object");
        });
    }

    /// <summary>Runs a reader and turns damaged JSON (also text that is no Unicode) into a refusal.</summary>
    public T Strictly<T>(Func<T> read)
    {
        try
        {
            return read();
        }
        catch (Exception error) when (error is JsonException or InvalidOperationException or FormatException)
        {
            throw new InputException($"'{file}' is damaged ({error.Message}); download it again.", error);
        }
    }

    public InputException Bad(string place, string problem) =>
        new($"'{file}': {place} {problem}; this tokenizer cannot be used exactly, take a model with a supported one or a correct file.");

    /// <summary>The member, or null where it is missing or null.</summary>
    public static JsonElement? Member(JsonElement parent, string name) =>
        parent.ValueKind == JsonValueKind.Object && parent.TryGetProperty(name, out JsonElement value)
            && value.ValueKind != JsonValueKind.Null ? value : null;

    public JsonElement Required(JsonElement parent, string name, JsonValueKind kind) =>
        Member(parent, name) is { } value && value.ValueKind == kind ? value : throw Bad($"'{name}'", $"is missing or no JSON {kind}");

    public string? Text(JsonElement parent, string name) => Member(parent, name) switch
    {
        null => null,
        { ValueKind: JsonValueKind.String } value => value.GetString(),
        { } value => throw Bad($"'{name}'", $"is {Shown(value)} where text is expected"),
    };

    public string RequiredText(JsonElement parent, string name) => Text(parent, name) ?? throw Bad($"'{name}'", "is missing");

    public bool Flag(JsonElement parent, string name, bool missing = false) => Member(parent, name) switch
    {
        null => missing,
        { ValueKind: JsonValueKind.True } => true,
        { ValueKind: JsonValueKind.False } => false,
        { } value => throw Bad($"'{name}'", $"is {Shown(value)} where true or false is expected"),
    };

    /// <summary>A token id or another small count.</summary>
    public int Number(JsonElement value, string place) =>
        value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out int number) && number is >= 0 and < TokenTable.LargestId
            ? number
            : throw Bad(place, $"is {Shown(value)} where a number from 0 to {TokenTable.LargestId - 1:N0} is expected");

    public IEnumerable<JsonElement> Items(JsonElement parent, string name) => Required(parent, name, JsonValueKind.Array).EnumerateArray();

    /// <summary>Refuses members that are not known: an option that is ignored would change the tokens.</summary>
    public void OnlyKnown(JsonElement parent, string place, params ReadOnlySpan<string> known)
    {
        if (parent.ValueKind != JsonValueKind.Object)
            throw Bad(place, $"is {Shown(parent)} where an object is expected");
        foreach (JsonProperty member in parent.EnumerateObject())
        {
            if (!known.Contains(member.Name))
                throw Bad(place, $"has the unknown option '{member.Name}' = {Shown(member.Value)}");
        }
    }

    public static string Shown(JsonElement value)
    {
        string text = value.GetRawText();
        return text.Length <= 80 ? text : text[..80] + "…";
    }
}
