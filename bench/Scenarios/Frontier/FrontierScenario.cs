using System.CommandLine;
using System.Globalization;
using Retrieval.Offload;
using Retrieval.Runtime;
using Retrieval.Runtime.Policies;

namespace Retrieval.Scenarios.Frontier;

/// <summary><c>frontier</c>: error of attention against bytes read, for the product's method and for published ones, on real queries, keys and values.</summary>
internal static class FrontierScenario
{
    // Each about the best split of its bytes between codes, keys and values.
    private const string Sweep = "3000,128,96;4000,256,128;8000,512,256;8000,1024,512;16000,1024,768;16000,2048,1024;24000,3072,1536;all,4096,2048";

    private static readonly int[] OracleRows = [100, 256, 1024, 2048];
    private static readonly double[] RetroInferShares = [0.018, 0.05, 0.1];

    public static Command Create()
    {
        var command = new Command("frontier", "Error of attention against bytes read, on stored queries, keys and values.");
        Option<string> folder = new("--qkv") { Description = "Folder of .safetensors files with k, v, prompt_queries, test_queries, test_outputs", Required = true };
        Option<string> method = new("--method") { Description = "Only methods whose name contains this", DefaultValueFactory = _ => "" };
        Option<string> budgets = new("--budgets") { Description = "Budgets of ivf-pq: rows whose codes, keys and values are read and, if not all are, lists that are scored one by one: O,K,V;O,K,V,L", DefaultValueFactory = _ => Sweep };
        Option<string> lists = new("--rows-per-list") { Description = "Rows of a list of ivf-pq", DefaultValueFactory = _ => "32,64,128" };
        Option<string> errors = new("--max-errors") { Description = "Error targets of ivf-pq, separated by commas", DefaultValueFactory = _ => "0.01,0.02,0.05,0.1" };
        Option<bool> json = new("--json") { Description = "Print one JSON document as the last line" };
        Option<bool> readme = new("--update-readme") { Description = "Write the rows that README.md shows into it; for a run of everything" };
        foreach (Option option in new Option[] { folder, method, budgets, lists, errors, json, readme })
            command.Options.Add(option);

        command.SetAction(parsed =>
        {
            List<IFrontierMethod> methods = Methods(IvfPqPoint.Parse(parsed.GetValue(budgets)!), IvfPqPoint.ParseErrors(parsed.GetValue(errors)!), ParseLists(parsed.GetValue(lists)!));
            string wanted = parsed.GetValue(method)!;
            bool whole = wanted.Length == 0 && parsed.GetResult(budgets)!.Implicit && parsed.GetResult(lists)!.Implicit && parsed.GetResult(errors)!.Implicit;
            if (parsed.GetValue(readme) && !whole)
                throw new InputException("--update-readme needs the whole comparison; leave --method, --budgets, --rows-per-list and --max-errors out.");
            List<FrontierResult> results = FrontierRun.Measure(
                Files(parsed.GetValue(folder)!), methods, point => point.Name.Contains(wanted, StringComparison.OrdinalIgnoreCase), Console.Error);
            if (results.Count == 0)
                throw new InputException($"No method's name contains '{wanted}'; they are {string.Join("; ", methods.SelectMany(m => m.Points).Select(point => point.Name))}.");
            string table = FrontierTable.Write(results);
            Console.Write(table);
            // What is kept is the whole comparison; a part of it would replace it.
            if (whole)
            {
                ResultFiles.Write("frontier.md", table);
                FrontierPlot.Save(results, [.. methods.SelectMany(m => m.Points)], Path.Combine(ResultFiles.Repository, "bench", "results", "frontier"));
            }
            if (parsed.GetValue(readme))
                ResultFiles.UpdateReadme("frontier", FrontierTable.WriteShort(results));
            if (parsed.GetValue(json))
                Console.WriteLine(Report.Json(results));
        });
        return command;
    }

    private static List<IFrontierMethod> Methods(IvfPqPoint[] budgets, IvfPqPoint[] errors, int[] lists)
    {
        int defaultLists = new IvfPqPolicy().RowsPerList;
        return
        [
            new ResidentMethod(),
            new OracleMethod(OracleRows),
            new OracleTailMethod(OracleRows),
            new QuestMethod([1024, 2048, 4096]),
            new RetroInferMethod(RowFormat.F16, RetroInferShares),
            new RetroInferMethod(RowFormat.I8, RetroInferShares),
            .. lists.Select(rows => new IvfPqMethod(rows, rows == defaultLists ? [.. budgets, .. errors, new IvfPqPoint(null)] : budgets)),
            .. lists.Contains(defaultLists) ? Array.Empty<IFrontierMethod>() : [new IvfPqMethod(defaultLists, [new IvfPqPoint(null)])],
        ];
    }

    private static string[] Files(string folder)
    {
        if (!Directory.Exists(folder))
            throw new InputException($"--qkv is '{folder}', which is no folder; give one with .safetensors files of queries, keys and values.");
        string[] files = [.. Directory.EnumerateFiles(folder, "*.safetensors").Order(StringComparer.Ordinal)];
        return files.Length > 0 ? files : throw new InputException($"{folder} has no .safetensors files; name the folder that holds the stored queries, keys and values.");
    }

    private static int[] ParseLists(string text)
    {
        int[] lists = [.. text.Split(',').Select(item => int.TryParse(item, NumberStyles.None, CultureInfo.InvariantCulture, out int n) ? n : 0)];
        return lists.All(n => n >= 1) ? lists : throw new InputException($"--rows-per-list is '{text}'; give numbers of rows, 1 or more, such as 32,64.");
    }
}
