using Retrieval.Runtime.Policies;
using ScottPlot;
using ScottPlot.Plottables;
using ScottPlot.TickGenerators;

namespace Retrieval.Scenarios.Frontier;

/// <summary>Mean error against bytes read, both logarithmic, as PNG and SVG: lower and further left is better.</summary>
internal static class FrontierPlot
{
    private const int Width = 1100;
    private const int Height = 750;
    private const int LongLabel = 7;
    private const string Lists = "ivf-pq, lists of ";

    // Measured with a prototype in float arithmetic, before the method was written here.
    private static readonly (double Bytes, double Error)[] Aims = [(1.2, 0.051), (2.6, 0.033), (4.5, 0.020), (7.3, 0.013)];

    private static readonly double[] ByteTicks = [0.3, 0.5, 1, 2, 3, 5, 10, 20], ErrorTicks = [0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2];

    /// <summary>Writes PATH.png and PATH.svg.</summary>
    public static void Save(IReadOnlyList<FrontierResult> results, IReadOnlyList<FrontierPoint> points, string path)
    {
        Dictionary<string, FrontierResult> pooled = results.GroupBy(result => result.Method).ToDictionary(group => group.Key, group => FrontierResult.Pool([.. group]));
        using Plot plot = new();
        var palette = new ScottPlot.Palettes.Category10();
        int color = 0;
        foreach (IGrouping<string, FrontierPoint> family in points.Where(point => pooled.ContainsKey(point.Name)).GroupBy(point => point.Family))
        {
            (string Label, FrontierResult Result)[] line = [.. family.Select(point => (point.Label, pooled[point.Name]))];
            if (line.All(point => point.Result.BytesPct == 0))
                AddLevel(plot, family.Key, line[0].Result.MeanError);
            else
                AddLine(plot, family.Key, line, family.Key.EndsWith("default", StringComparison.Ordinal) ? Colors.Black : palette.GetColor(color++));
        }
        AddAims(plot);
        Decorate(plot);
        plot.SavePng(path + ".png", Width, Height);
        plot.SaveSvg(path + ".svg", Width, Height);
    }

    private static void AddLine(Plot plot, string family, (string Label, FrontierResult Result)[] line, Color color)
    {
        double[] bytes = [.. line.Select(point => Math.Log10(point.Result.BytesPct))], errors = [.. line.Select(point => Math.Log10(point.Result.MeanError))];
        Scatter scatter = plot.Add.Scatter(bytes, errors, color);
        scatter.LegendText = family;
        scatter.LineWidth = 2;
        scatter.MarkerSize = line.Length == 1 ? 14 : 7;
        scatter.MarkerShape = line.Length == 1 ? MarkerShape.FilledDiamond : MarkerShape.FilledCircle;
        // Lists of any size have the same budgets in the same order: one line's labels serve all.
        if (family.StartsWith(Lists, StringComparison.Ordinal) && !family.StartsWith($"{Lists}{new IvfPqPolicy().RowsPerList}", StringComparison.Ordinal))
            return;
        for (int i = 0; i < line.Length; i++)
            AddLabel(plot, line[i].Label.Replace("000,", "k,", StringComparison.Ordinal), bytes[i], errors[i], color);
    }

    private static void AddLabel(Plot plot, string label, double bytes, double error, Color color)
    {
        // Long labels stand below and left of their line: the other side has the other lines.
        bool below = label.Length > LongLabel;
        Text text = plot.Add.Text(label, bytes, error);
        text.LabelFontColor = color;
        text.LabelFontSize = 11;
        text.OffsetX = below ? -7 : 6;
        text.OffsetY = below ? 3 : -4;
        text.LabelAlignment = below ? Alignment.UpperRight : Alignment.LowerLeft;
    }

    private static void AddLevel(Plot plot, string family, double error)
    {
        HorizontalLine level = plot.Add.HorizontalLine(Math.Log10(error), 1, Colors.Gray, LinePattern.Dashed);
        level.LegendText = family;
    }

    private static void AddAims(Plot plot)
    {
        Scatter aims = plot.Add.ScatterPoints(Aims.Select(aim => Math.Log10(aim.Bytes)).ToArray(), Aims.Select(aim => Math.Log10(aim.Error)).ToArray(), Colors.Black);
        aims.LegendText = "aims for ivf-pq";
        aims.MarkerShape = MarkerShape.Eks;
        aims.MarkerSize = 11;
        aims.MarkerLineWidth = 2;
    }

    private static void Decorate(Plot plot)
    {
        plot.Title("Attention over far tokens: error against bytes read");
        plot.XLabel("bytes read, % of 16-bit keys and values (ivf-pq: rows whose codes, keys, values are read)");
        plot.YLabel("mean relative error of a head's output");
        plot.Axes.Bottom.TickGenerator = new NumericManual([.. ByteTicks.Select(Math.Log10)], [.. ByteTicks.Select(tick => $"{tick:0.#}")]);
        plot.Axes.Left.TickGenerator = new NumericManual([.. ErrorTicks.Select(Math.Log10)], [.. ErrorTicks.Select(tick => $"{tick:0.###}")]);
        plot.Axes.SetLimits(Math.Log10(0.25), Math.Log10(30), Math.Log10(0.004), Math.Log10(0.2));
        plot.ShowLegend(Alignment.LowerLeft);
    }
}
