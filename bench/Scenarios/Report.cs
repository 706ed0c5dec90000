using System.Text.Encodings.Web;
using System.Text.Json;

namespace Retrieval.Scenarios;

/// <summary>Output that all scenarios share.</summary>
internal static class Report
{
    private static readonly JsonSerializerOptions Options = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    public static string Json(object document) => JsonSerializer.Serialize(document, document.GetType(), Options);

    /// <summary>A Markdown table; all columns but the first are aligned to the right.</summary>
    public static string Table(string[] headings, IEnumerable<string[]> rows) => string.Concat(
        [Line(headings), Line([.. headings.Select((_, column) => column == 0 ? "---" : "---:")]), .. rows.Select(Line)]);

    public static double Median(IEnumerable<double> values)
    {
        double[] sorted = [.. values.Order()];
        return sorted.Length == 0 ? double.NaN : (sorted[(sorted.Length - 1) / 2] + sorted[sorted.Length / 2]) / 2;
    }

    private static string Line(string[] cells) => "| " + string.Join(" | ", cells) + " |\n";
}
