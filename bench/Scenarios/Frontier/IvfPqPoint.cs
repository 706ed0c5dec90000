using System.Globalization;
using Retrieval.Index;
using Retrieval.Runtime;

namespace Retrieval.Scenarios.Frontier;

/// <summary>A budget of the cascade; null is the product's default for the number of rows.</summary>
internal sealed record IvfPqPoint(CascadeBudget? Budget)
{
    private const string All = "all";

    /// <summary>
    /// Budgets as the command line has them: O,K,V;O,K,V … in rows whose codes, keys and values are read; O may be "all", and a fourth number is that of the lists that
    /// are scored one by one.
    /// </summary>
    public static IvfPqPoint[] Parse(string text) => [.. text.Split(';', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries).Select(One)];

    public FrontierPoint Describe(int rowsPerList)
    {
        if (Budget is not { } budget)
            return new FrontierPoint("ivf-pq default", "ivf-pq default", "default");
        if (budget.MaxError > 0)
            return new FrontierPoint($"ivf-pq/{rowsPerList} max error {budget.MaxError}", $"ivf-pq, lists of {rowsPerList}, error target", $"{budget.MaxError}");
        string opened = budget.Opened == int.MaxValue ? All : $"{budget.Opened}";
        string label = $"{opened},{budget.Keys},{budget.Values}{(budget.Lists == int.MaxValue ? "" : $",{budget.Lists}")}";
        return new FrontierPoint($"ivf-pq/{rowsPerList} {label}", $"ivf-pq, lists of {rowsPerList}", label);
    }

    /// <summary>Error targets as the command line has them, separated by commas.</summary>
    public static IvfPqPoint[] ParseErrors(string text) => [.. text.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries).Select(item =>
        float.TryParse(item, NumberStyles.Float, CultureInfo.InvariantCulture, out float error) && error is > 0 and < 1
            ? new IvfPqPoint(CascadeBudget.ForError(error))
            : throw new InputException($"--max-errors has '{item}'; give relative errors between 0 and 1, such as 0.01,0.05."))];

    private static IvfPqPoint One(string text)
    {
        string[] parts = text.Split(',', StringSplitOptions.TrimEntries);
        int[] rows = [.. parts.Select((part, i) => i == 0 && part == All ? int.MaxValue : int.TryParse(part, NumberStyles.None, CultureInfo.InvariantCulture, out int n) ? n : 0)];
        return rows.Length is 3 or 4 && rows.All(n => n > 0)
            ? new IvfPqPoint(new CascadeBudget(rows[0], rows[1], rows[2]) { Lists = rows.Length == 4 ? rows[3] : int.MaxValue })
            : throw new InputException($"--budgets has '{text}'; give rows whose codes, keys and values are read, such as 8000,512,256 or all,4096,2048, and lists that are scored one by one if not all, such as 8000,512,256,1024.");
    }
}
