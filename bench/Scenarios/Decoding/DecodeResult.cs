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
        text.WriteLine($"{Model}, {Threads} threads, {Machine}, {Bandwidth:0.0} GB/s; medians of {Steps} steps over a KV cache of synthetic rows; milliseconds a token.");
        text.WriteLine();
        text.Write(Report.Table(
            ["policy", "tokens", "ms/token", "× first", "weights", "select", "attend", "other", "fastest", "MB read", "bound", "KV GB", "index GB", "resident GB", "build s"],
            Cells.OfType<DecodeCell>().Select(Line)));
        foreach (RefusedCell cell in Cells.OfType<RefusedCell>())
            text.WriteLine($"\nNot measured: {cell.Refused}.");
        return text.ToString();
    }

    private string[] Line(DecodeCell cell)
    {
        DecodeCell smallest = Cells.OfType<DecodeCell>().Where(other => other.Policy == cell.Policy).MinBy(other => other.Depth)!;
        return
        [
            cell.Policy, Number(cell.Depth, "#,0"), Number(cell.MsPerToken, "0.00"), Number(cell.MsPerToken / smallest.MsPerToken, "0.00"),
            Number(cell.WeightsMs, "0.00"), Number(cell.SelectMs, "0.00"), Number(cell.AttendMs, "0.00"), Number(cell.OtherMs, "0.00"), Number(cell.FastestMs, "0.00"),
            Number(cell.Bytes / 1e6, "#,0.0"), Number(cell.BoundMs, "0.00"), Number(cell.KvBytes / 1e9, "0.00"), Number(cell.IndexBytes / 1e9, "0.00"),
            Number(cell.RssBytes / 1e9, "0.0"), Number(cell.BuildSeconds, "0.0"),
        ];
    }

    private static string Number(double value, string format) => value.ToString(format, CultureInfo.InvariantCulture);
}
