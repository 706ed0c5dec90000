using System.Text.Json;
using Retrieval.Offload;
using Retrieval.Runtime.Policies;

namespace Retrieval.Cli;

/// <summary>Policies for people.</summary>
internal static class PolicyText
{
    /// <summary>The name and the options that differ from its defaults, such as "ivf-pq, max_error 0.02".</summary>
    public static string Describe(RetrievalPolicy policy)
    {
        JsonElement own = Options(policy), defaults = Options(RetrievalPolicy.FromName(policy.Name));
        IEnumerable<string> changed = own.EnumerateObject()
            .Where(option => !JsonElement.DeepEquals(option.Value, defaults.GetProperty(option.Name))).Select(option => $"{option.Name} {option.Value}");
        return string.Join(", ", [policy.Name, .. changed]);
    }

    private static JsonElement Options(RetrievalPolicy policy) => JsonDocument.Parse(Json.Serialize(policy)).RootElement;
}

/// <summary>Formats of KV rows as --kv-dtype has them.</summary>
internal static class RowText
{
    /// <summary>llama.cpp's name; its q8_0 has a scale every 32 elements, ours one a row.</summary>
    public static string Name(RowFormat format) => format == RowFormat.F16 ? "f16" : "q8_0";
}
