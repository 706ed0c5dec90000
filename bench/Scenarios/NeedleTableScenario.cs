using System.CommandLine;
using Retrieval.Runtime;
using Retrieval.Runtime.Policies;
using Retrieval.Scenarios.Needles;

namespace Retrieval.Scenarios;

/// <summary>
/// <c>needle-table</c>: right answers by length of the context, depth of the fact and kind of fact, each text read with exact and
/// with sparse attention.
/// </summary>
internal static class NeedleTableScenario
{
    private const int Shortest = 8192;

    // Only how the text is read differs.
    private const string Exact = """{"policy":"ivf-pq","densePrefill":2147483647}""";

    public static Command Create()
    {
        var command = new Command("needle-table", "Right answers by length and depth, after exact and after sparse prefill.");
        Option<string> model = new("--model", "-m") { Description = "Model folder or file", Required = true };
        Option<string> lengths = new("--lengths") { Description = "Tokens of the contexts; 128k and 1m are understood", DefaultValueFactory = _ => "32k,128k,512k,1m" };
        Option<string> exactTo = new("--exact-up-to") { Description = "Longest context that is read with exact attention as well", DefaultValueFactory = _ => "128k" };
        Option<string> sparse = new("--policy") { Description = $"Policy of sparse prefill, {PolicyText.Help}", DefaultValueFactory = _ => "ivf-pq" };
        Option<string> exact = new("--against") { Description = $"Policy of exact prefill, {PolicyText.Help}; by default only how the text is read differs", DefaultValueFactory = _ => Exact };
        Option<int> texts = new("--texts") { Description = "Texts of each length", DefaultValueFactory = _ => 2 };
        Option<int> seed = new("--seed") { Description = "Seed of the first text and its facts", DefaultValueFactory = _ => 1 };
        Option<bool> json = new("--json") { Description = "Print one JSON document as the last line" };
        foreach (Option option in new Option[] { model, lengths, exactTo, sparse, exact, texts, seed, json })
            command.Options.Add(option);

        command.SetAction(parsed =>
        {
            int[] tokens = TokenCounts.Parse(parsed.GetValue(lengths)!, Shortest, "--lengths");
            int most = TokenCounts.Parse(parsed.GetValue(exactTo)!, 1, "--exact-up-to") is [int only] ? only : throw new InputException("--exact-up-to must be one number of tokens.");
            if (tokens.Length == 0 || parsed.GetValue(texts) < 1)
                throw new InputException("--lengths and --texts must ask for at least one length and one text.");
            RetrievalPolicy reads = PolicyText.Read(parsed.GetValue(sparse)!), against = PolicyText.Read(parsed.GetValue(exact)!);
            using var engine = Engine.Load(new EngineOptions { Model = parsed.GetValue(model)!, Policy = reads, ContextLimit = tokens.Max() });
            NeedleReading[] all = [.. tokens.Order().SelectMany(length => new NeedleReading[] { new(length, true), new(length, false) })];
            ILookup<bool, NeedleReading> wanted = all.ToLookup(reading => !reading.Exact || reading.Tokens <= most);
            var run = new NeedleTableRun(engine, against, reads, [.. wanted[true]], [.. wanted[false]], Console.Error);
            foreach (int text in Enumerable.Range(parsed.GetValue(seed), parsed.GetValue(texts)))
                run.Read(text, () => Keep(run.Table));
            NeedleTable table = run.Table;
            Console.Write(table.ToMarkdown());
            if (parsed.GetValue(json))
                Console.WriteLine(Report.Json(table));
            return table.Lower.Count == 0 ? 0 : 1;
        });
        return command;
    }

    /// <summary>What a long run has found is kept although it may be stopped.</summary>
    private static void Keep(NeedleTable table)
    {
        ResultFiles.Write("needles.md", table.ToMarkdown());
        NeedlePlot.Save(table, Path.Combine(ResultFiles.Repository, "bench", "results", "needles"));
    }
}
