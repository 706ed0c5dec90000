namespace Retrieval.TestKit;

/// <summary>
/// Large files that are not in the repository (real weights, tokenizers, novels): looked for in the folder named by
/// RETRIEVAL_SHARED, else in <c>shared</c> beside the repository. Tests that need one skip with the reason when it is absent.
/// </summary>
public static class SharedFiles
{
    /// <summary>The repository's root: the nearest folder above the test binary that holds Retrieval.sln.</summary>
    public static string RepositoryRoot { get; } = FindRoot();

    /// <summary>Path of a shared file or folder, or null if it is not on this machine.</summary>
    public static string? Find(string relativePath)
    {
        string folder = Environment.GetEnvironmentVariable("RETRIEVAL_SHARED")
            ?? Path.Combine(Path.GetDirectoryName(RepositoryRoot)!, "shared");
        string path = Path.Combine(folder, relativePath);
        return File.Exists(path) || Directory.Exists(path) ? path : null;
    }

    private static string FindRoot()
    {
        for (string? folder = AppContext.BaseDirectory; folder is not null; folder = Path.GetDirectoryName(folder))
        {
            if (File.Exists(Path.Combine(folder, "Retrieval.sln")))
                return folder;
        }
        throw new InvalidOperationException($"Retrieval.sln was not found above {AppContext.BaseDirectory}.");
    }
}
