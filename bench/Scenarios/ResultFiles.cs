using Retrieval.Runtime;

namespace Retrieval.Scenarios;

/// <summary>Where results are kept: bench/results, and tables in README.md between markers.</summary>
internal static class ResultFiles
{
    private static string? _repository;

    /// <summary>Root of the repository: the nearest folder above the program that holds Retrieval.sln.</summary>
    public static string Repository => _repository ??= Find();

    /// <summary>Writes a result with the command that made it.</summary>
    public static void Write(string name, string document)
    {
        string folder = Path.Combine(Repository, "bench", "results");
        Directory.CreateDirectory(folder);
        string arguments = string.Join(' ', Environment.GetCommandLineArgs().Skip(1).Select(argument => Path.IsPathRooted(argument) ? Path.GetFileName(argument) : argument));
        File.WriteAllText(Path.Combine(folder, name), $"`dotnet run -c Release --project bench/Scenarios -- {arguments}`\n\n{document}");
    }

    /// <summary>Replaces what stands between &lt;!-- NAME:begin --&gt; and &lt;!-- NAME:end --&gt;.</summary>
    public static void UpdateReadme(string marker, string table)
    {
        string path = Path.Combine(Repository, "README.md");
        string text = File.ReadAllText(path), begin = $"<!-- {marker}:begin -->", end = $"<!-- {marker}:end -->";
        int from = text.IndexOf(begin, StringComparison.Ordinal), to = text.IndexOf(end, StringComparison.Ordinal);
        if (from < 0 || to < from)
            throw new InputException($"README.md lacks the markers {begin} and {end}; put them where the table belongs.");
        File.WriteAllText(path, $"{text[..(from + begin.Length)]}\n{table}{text[to..]}");
    }

    private static string Find()
    {
        for (string? folder = AppContext.BaseDirectory; folder is not null; folder = Path.GetDirectoryName(folder))
        {
            if (File.Exists(Path.Combine(folder, "Retrieval.sln")))
                return folder;
        }
        throw new InputException($"Retrieval.sln was not found above {AppContext.BaseDirectory}; run the scenarios from a build of the repository.");
    }
}
