using System.Text.Json;
using System.Text.Unicode;

namespace Retrieval.Runtime.Models;

/// <summary>JSON from files that nobody vouches for: every way to be wrong becomes one <see cref="InputException"/>.</summary>
internal static class JsonText
{
    private const long MaxFileBytes = 64 << 20;

    /// <summary>
    /// Hands the root object to <paramref name="read"/>. Refused: invalid UTF-8, invalid JSON, a root that is no object, a
    /// name twice in an object, and nesting beyond <paramref name="maxDepth"/>.
    /// </summary>
    /// <param name="what">What is being read, as the message should begin.</param>
    public static void Parse(ReadOnlySpan<byte> utf8, string what, int maxDepth, Action<JsonElement> read)
    {
        if (utf8.StartsWith("\uFEFF"u8))
            utf8 = utf8[3..];
        if (!Utf8.IsValid(utf8))
            throw new InputException($"{what} is not valid UTF-8; the file is damaged.");
        try
        {
            var options = new JsonDocumentOptions { MaxDepth = maxDepth, AllowDuplicateProperties = false };
            using JsonDocument document = JsonDocument.Parse(utf8.ToArray(), options);
            if (document.RootElement.ValueKind != JsonValueKind.Object)
                throw new InputException($"{what} is a JSON {document.RootElement.ValueKind} but must be an object; the file is damaged.");
            read(document.RootElement);
        }
        // InvalidOperationException: an escaped lone surrogate, found only when the string is read.
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            throw new InputException($"{what} is not valid JSON ({e.Message}); correct or download the file again.", e);
        }
    }

    /// <summary>As <see cref="Parse"/>, over a whole file.</summary>
    public static void ParseFile(string path, Action<JsonElement> read)
    {
        byte[] utf8;
        try
        {
            long length = new FileInfo(path).Length;
            if (length > MaxFileBytes)
                throw new InputException($"{path} has {length} bytes, more than the {MaxFileBytes} that such a file may have; it is not the file it is named after.");
            utf8 = File.ReadAllBytes(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new InputException($"{path} cannot be read ({e.Message}); check the path and its permissions.", e);
        }
        Parse(utf8, path, 64, read);
    }
}
