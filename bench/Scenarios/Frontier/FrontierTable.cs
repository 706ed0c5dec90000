using System.Globalization;
using Retrieval.Runtime;
using Retrieval.Runtime.Policies;

namespace Retrieval.Scenarios.Frontier;

/// <summary>Results as Markdown: all files together, then each file.</summary>
internal static class FrontierTable
{
    // Names of points and what the README calls them.
    private static readonly (string Point, string Text)[] Shown =
    [
        ("sinks + window only", "sinks + window only"),
        ("exact top-100, tail dropped (index free)", "exact top 100, the rest dropped; its index is not counted"),
        ("Quest, 2048 tokens", "Quest, 2,048 tokens"),
        ("RetroInfer, 5 %", "RetroInfer, 5 % of the clusters, 16-bit"),
        ("RetroInfer, everything 8-bit, 5 %", "RetroInfer, 5 % of the clusters, everything 8-bit"),
        ("ivf-pq/64 3000,128,96", "ivf-pq: 128 keys, 96 values"),
        ("ivf-pq/64 8000,512,256", "ivf-pq: 512 keys, 256 values"),
        ("ivf-pq default", $"**{Default}**"),
        ("ivf-pq/64 24000,3072,1536", "ivf-pq: 3,072 keys, 1,536 values"),
    ];

    private static string Default
    {
        get
        {
            var policy = new IvfPqPolicy();
            return string.Create(CultureInfo.InvariantCulture, $"ivf-pq, default: {policy.KeysMost:#,0} keys, {policy.ValuesMost:#,0} values");
        }
    }

    /// <summary>A few methods, all files together.</summary>
    /// <exception cref="InputException">One of them was not measured.</exception>
    public static string WriteShort(IReadOnlyList<FrontierResult> results)
    {
        Dictionary<string, FrontierResult> pooled = results.GroupBy(result => result.Method).ToDictionary(group => group.Key, group => FrontierResult.Pool([.. group]));
        string table = Report.Table(["method", "bytes read", "mean error", "95th percentile"], Shown.Select(shown =>
        {
            if (!pooled.TryGetValue(shown.Point, out FrontierResult? result))
                throw new InputException($"The README shows '{shown.Point}', which was not measured; change the rows in FrontierTable.");
            return (string[])[shown.Text, .. Cells(result)];
        }));
        int files = results.Select(result => result.File).Distinct().Count();
        return $"""
            Attention of {files} KV heads of a real model over a long text: |o − o_full| / |o_full| over queries and query heads, and bytes
            read, index included, as a share of the 16-bit keys and values outside sinks and window.

            {table}
            """;
    }

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

    private static string[] Cells(FrontierResult result) =>
    [
        string.Create(CultureInfo.InvariantCulture, $"{result.BytesPct:F2} %"),
        string.Create(CultureInfo.InvariantCulture, $"{result.MeanError:F4}"),
        string.Create(CultureInfo.InvariantCulture, $"{result.P95Error:F3}"),
    ];

    /// <summary>Length of what all names begin with, up to a hyphen; headings leave it out.</summary>
    private static int CommonPrefix(string[] names)
    {
        if (names.Length < 2)
            return 0;
        int length = names.Skip(1).Min(name => name.AsSpan().CommonPrefixLength(names[0]));
        return length == 0 ? 0 : names[0].LastIndexOf('-', length - 1) + 1;
    }
}
