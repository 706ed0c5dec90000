namespace Retrieval.Cli;

/// <summary>Aligned plain text: the first column to the left, the others to the right unless they are said to be text.</summary>
internal sealed class TextTable(params string[] headings)
{
    private readonly List<string[]> _rows = [];

    /// <summary>Columns from this one on are aligned to the right.</summary>
    public int FirstNumber { get; init; } = 1;

    public void Add(params string[] cells) => _rows.Add(cells);

    public void Write(TextWriter writer)
    {
        bool headed = headings.Any(heading => heading.Length > 0);
        IEnumerable<string[]> lines = headed ? _rows.Prepend(headings) : _rows;
        int[] widths = [.. Enumerable.Range(0, headings.Length).Select(column => lines.Max(line => column < line.Length ? line[column].Length : 0))];
        foreach (string[] line in lines)
        {
            writer.WriteLine(string.Join("  ", line.Select((cell, column) =>
                column >= FirstNumber ? cell.PadLeft(widths[column]) : cell.PadRight(widths[column]))).TrimEnd());
            if (headed && ReferenceEquals(line, headings))
                writer.WriteLine(new string('-', widths.Sum() + 2 * (widths.Length - 1)));
        }
    }
}
