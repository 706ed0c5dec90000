using ScottPlot;
using ScottPlot.Plottables;
using ScottPlot.TickGenerators;

namespace Retrieval.Scenarios.Needles;

/// <summary>A table of right answers as a heat map, PNG and SVG: a row a reading and family, a column a depth.</summary>
internal static class NeedlePlot
{
    private const int Width = 1100;
    private const int RowHeight = 36;
    private const int Margins = 140;

    /// <summary>Writes PATH.png and PATH.svg.</summary>
    public static void Save(NeedleTable table, string path)
    {
        NeedleCell[][] rows = [.. table.Cells.GroupBy(cell => (cell.Family, cell.Reading)).Select(row => row.ToArray())];
        using Plot plot = new();
        var shares = new double[rows.Length, NeedleGrid.Depths];
        for (int row = 0; row < rows.Length; row++)
        {
            foreach (NeedleCell cell in rows[row])
            {
                shares[row, cell.Depth] = (double)cell.Right / cell.Asked;
                Text label = plot.Add.Text($"{cell.Right} / {cell.Asked}", cell.Depth, rows.Length - 1 - row);
                label.LabelAlignment = Alignment.MiddleCenter;
                label.LabelFontSize = 12;
            }
        }
        Heatmap map = plot.Add.Heatmap(shares);
        map.Colormap = new ScottPlot.Colormaps.CustomInterpolated([Colors.IndianRed, Colors.Khaki, Colors.LightGreen]);
        map.ManualRange = new ScottPlot.Range(0, 1);
        plot.MoveToBack(map);
        plot.Title($"{table.Model}: right answers by depth of the fact");
        plot.XLabel("depth of the fact in the text");
        plot.Axes.Bottom.TickGenerator = new NumericManual([.. Enumerable.Range(0, NeedleGrid.Depths).Select(depth => (double)depth)], [.. Enumerable.Range(0, NeedleGrid.Depths).Select(NeedleTable.Depth)]);
        plot.Axes.Left.TickGenerator = new NumericManual([.. rows.Select((_, row) => (double)(rows.Length - 1 - row))], [.. rows.Select(Label)]);
        plot.HideGrid();
        plot.Axes.SetLimits(-0.5, NeedleGrid.Depths - 0.5, -0.5, rows.Length - 0.5);
        int height = Margins + RowHeight * rows.Length;
        plot.SavePng(path + ".png", Width, height);
        plot.SaveSvg(path + ".svg", Width, height);
    }

    private static string Label(NeedleCell[] row)
        => $"{(row[0].Family == NeedleFamily.OneOfAKind ? "one of a kind" : $"among {NeedleGrid.SameKind}")}, {NeedleTable.Count(row[0].Reading.Tokens)}, {row[0].Reading.Name}";
}
