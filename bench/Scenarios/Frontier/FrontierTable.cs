namespace Retrieval.Scenarios.Frontier;

/// <summary>Results as Markdown: means over files, then each file.</summary>
internal static class FrontierTable
{
    public static string Write(IReadOnlyList<FrontierResult> results)
    {
        string[] files = [.. results.Select(result => result.File).Distinct()];
        int prefix = CommonPrefix(files);
        IGrouping<string, FrontierResult>[] methods = [.. results.GroupBy(result => result.Method)];
        string means = Report.Table(["method", "bytes %", "mean error", "p95"], methods.Select(method => new[]
        {
            method.Key, $"{method.Average(r => r.BytesPct):F2}", $"{method.Average(r => r.MeanError):F4}", $"{method.Average(r => r.P95Error):F3}",
        }));
        string each = Report.Table(["method", .. files.Select(file => file[prefix..])], methods.Select(method => (string[])
        [
            method.Key, .. method.Select(r => $"{r.MeanError:F4} / {r.P95Error:F3} / {r.BytesPct:F2}"),
        ]));
        return $"Mean of {files.Length} files.\n\n{means}\nEach file: mean error / p95 / bytes %.\n\n{each}";
    }

    /// <summary>Length of what all names begin with, up to a hyphen; headings leave it out.</summary>
    private static int CommonPrefix(string[] names)
    {
        if (names.Length < 2)
            return 0;
        int length = names.Skip(1).Min(name => name.AsSpan().CommonPrefixLength(names[0]));
        return length == 0 ? 0 : names[0].LastIndexOf('-', length - 1) + 1;
    }
}
