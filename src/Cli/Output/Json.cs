using System.Text.Encodings.Web;
using System.Text.Json;

namespace Retrieval.Cli;

/// <summary>One line of JSON with snake_case names.</summary>
internal static class Json
{
    private static readonly JsonSerializerOptions Options = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        DictionaryKeyPolicy = null,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    public static string Serialize(object document) => JsonSerializer.Serialize(document, document.GetType(), Options);
}
