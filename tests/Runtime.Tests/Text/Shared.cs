using System.Text.Json;
using Retrieval.TestKit;
using Xunit;

namespace Retrieval.Runtime.Tests.Text;

/// <summary>Shared files for tests that are skipped, with the reason, where a file is absent.</summary>
internal static class Shared
{
    public static string Need(string path)
    {
        string? found = SharedFiles.Find(path);
        Skip.If(found is null, $"shared file {path} is not on this machine");
        return found!;
    }

    public static JsonDocument Json(string path) => JsonDocument.Parse(File.ReadAllBytes(Need(path)));

    public static int[] Ids(JsonElement list) => [.. list.EnumerateArray().Select(id => id.GetInt32())];
}
