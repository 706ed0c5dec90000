namespace Retrieval.Scenarios.Frontier;

/// <summary>Results as Markdown: all files together, then each file.</summary>
internal static class FrontierTable
{
    public static string Write(IReadOnlyList<FrontierResult> results)
    {
        string[] files = [.. results.Select(result => result.File).Distinct()];
        int prefix = CommonPrefix(files);
        FrontierResult[][] methods = [.. results.GroupBy(result => result.Method).Select(group => group.ToArray())];
        string all = Report.Table(["method", "bytes %", "mean error", "p95"], methods.Select(FrontierResult.Pool).Select(r => new[]
        {
            r.Method, $"{r.BytesPct:F2}", $"{r.MeanError:F4}", $"{r.P95Error:F3}",
        }));
        string each = Report.Table(["method", .. files.Select(file => file[prefix..])], methods.Select(method => (string[])
        [
            method[0].Method, .. method.Select(r => $"{r.MeanError:F4} / {r.P95Error:F3} / {r.BytesPct:F2}"),
        ]));
        return $"""
            Error = |o − o_full| / |o_full|: mean and 95th percentile over the queries and heads of {files.Length} files. Bytes: all that
            one query of the whole group reads, index included unless said, as a share of the 16-bit keys and values outside sinks and
            window.

            {all}
            Each file: mean error / p95 / bytes %.

            {each}
            """;
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
