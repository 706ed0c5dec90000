using Retrieval.Runtime;

namespace Retrieval.Cli;

/// <summary>
/// The model that comes with the program, models/recall-nano: beside the binary when published, in the repository above it
/// in development.
/// </summary>
internal static class EmbeddedModel
{
    public const string Name = "recall-nano";

    /// <summary>Its folder, or null if it is in none of the places.</summary>
    public static string? Find()
    {
        for (string? folder = AppContext.BaseDirectory; folder is not null; folder = Path.GetDirectoryName(folder))
        {
            string model = Path.Combine(folder, "models", Name);
            if (File.Exists(Path.Combine(model, "config.json")))
                return model;
        }
        return null;
    }

    public static string Require() => Find()
        ?? throw new InputException($"The embedded model was not found: no models/{Name} beside {AppContext.BaseDirectory} or in a folder above it; name a model with -m.");
}
