using System.Text.Json.Serialization;

namespace Retrieval.Runtime.Policies;

/// <summary>At which distance a query meets tokens before the window.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<FarPositions>))]
public enum FarPositions
{
    /// <summary>Where they stand: distances grow with the text, beyond those that the model was trained for if it is long.</summary>
    [JsonStringEnumMemberName("rope")]
    Rope,

    /// <summary>
    /// All at one distance, right before the window; tokens of the window where they stand (ReRoPE; InfLLM, arXiv 2402.04617). No
    /// distance is ever new to the model, and the order of far tokens is not told to it. Those of little attention weigh
    /// together no more than as many as it was trained for.
    /// </summary>
    [JsonStringEnumMemberName("clamped")]
    Clamped,
}
