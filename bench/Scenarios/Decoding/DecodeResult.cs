using System.Globalization;

namespace Retrieval.Scenarios.Decoding;

/// <summary>All cells of a run.</summary>
/// <param name="Bandwidth">GB/s (10⁹ bytes).</param>
/// <param name="Cells"><see cref="DecodeCell"/> and <see cref="RefusedCell"/>.</param>
internal sealed record DecodeResult(string Model, string Machine, int Threads, double Bandwidth, int Steps, IReadOnlyList<object> Cells)
{
    public string ToMarkdown()
    {
        var text = new StringWriter(CultureInfo.InvariantCulture);
        text.WriteLine(Heading);
        text.WriteLine();
        text.Write(Report.Table(
            ["policy", "tokens", "ms/token", "× first", "weights", "select", "attend", "other", "fastest", "MB read", "bound", "KV GB", "index GB", "resident GB", "build s"],
            Cells.OfType<DecodeCell>().Select(Line)));
        WriteRefused(text);
        return text.ToString();
    }

    /// <summary>What a reader of the README wants to know: time, where most of it goes, bytes.</summary>
    public string ToShortMarkdown()
    {
        var text = new StringWriter(CultureInfo.InvariantCulture);
        text.WriteLine(Heading);
        text.WriteLine();
        text.Write(Report.Table(
            ["policy", "tokens", "ms/token", "× first", "weights", "far tokens", "MB read", "KV GB", "index GB"],
            Cells.OfType<DecodeCell>().Select(cell => new[]
            {
                cell.Policy, Number(cell.Depth, "#,0"), Number(cell.MsPerToken, "0.0"), Number(cell.MsPerToken / Smallest(cell).MsPerToken, "0.00"),
                Number(cell.WeightsMs, "0.0"), Number(cell.SelectMs + cell.AttendMs, "0.0"), Number(cell.Bytes / 1e6, "#,0"),
                Number(cell.KvBytes / 1e9, "0.00"), Number(cell.IndexBytes / 1e9, "0.00"),
            })));
        WriteRefused(text);
        return text.ToString();
    }

    /// <summary>What ran where.</summary>
    public string Title => string.Create(CultureInfo.InvariantCulture, $"{Model}, {Threads} threads, {Machine}, {Bandwidth:0.0} GB/s");

    private string Heading => $"{Title}; medians of {Steps} steps over a KV cache of synthetic rows; milliseconds a token.";

    private void WriteRefused(TextWriter text)
    {
        foreach (RefusedCell cell in Cells.OfType<RefusedCell>())
            text.WriteLine($"\nNot measured: {cell.Refused}.");
    }

    private string[] Line(DecodeCell cell)
    {
        return
        [
            cell.Policy, Number(cell.Depth, "#,0"), Number(cell.MsPerToken, "0.00"), Number(cell.MsPerToken / Smallest(cell).MsPerToken, "0.00"),
            Number(cell.WeightsMs, "0.00"), Number(cell.SelectMs, "0.00"), Number(cell.AttendMs, "0.00"), Number(cell.OtherMs, "0.00"), Number(cell.FastestMs, "0.00"),
            Number(cell.Bytes / 1e6, "#,0.0"), Number(cell.BoundMs, "0.00"), Number(cell.KvBytes / 1e9, "0.00"), Number(cell.IndexBytes / 1e9, "0.00"),
            Number(cell.RssBytes / 1e9, "0.0"), Number(cell.BuildSeconds, "0.0"),
        ];
    }

    /// <summary>The same policy at the least depth.</summary>
    private DecodeCell Smallest(DecodeCell cell) => Cells.OfType<DecodeCell>().Where(other => other.Policy == cell.Policy).MinBy(other => other.Depth)!;

    private static string Number(double value, string format) => value.ToString(format, CultureInfo.InvariantCulture);
}
