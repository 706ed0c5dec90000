using System.CommandLine;
using Retrieval.Runtime;

namespace Retrieval.Scenarios;

/// <summary><c>perplexity</c>: of a text under a model, in windows read one by one, with each arithmetic of prefill.</summary>
internal static class PerplexityScenario
{
    public static Command Create()
    {
        var command = new Command("perplexity", "Perplexity of a text, window by window, in float32 and in bfloat16.");
        Option<string> model = new("--model", "-m") { Description = "Model folder or file", Required = true };
        Option<string> text = new("--text") { Description = "UTF-8 text file", Required = true };
        Option<int> skip = new("--skip") { Description = "Tokens of the text before the first window", DefaultValueFactory = _ => 2000 };
        Option<int> window = new("--window") { Description = "Tokens of a window", DefaultValueFactory = _ => 2048 };
        Option<int> windows = new("--windows") { Description = "Windows", DefaultValueFactory = _ => 4 };
        Option<bool> json = new("--json") { Description = "Print one JSON document as the last line" };
        foreach (Option option in new Option[] { model, text, skip, window, windows, json })
            command.Options.Add(option);

        command.SetAction(parsed =>
        {
            var results = new List<Result>();
            foreach (ComputeType compute in (ComputeType[])[ComputeType.Float32, ComputeType.BFloat16])
            {
                using var engine = Engine.Load(new EngineOptions { Model = parsed.GetValue(model)!, Compute = compute });
                results.Add(Measure(engine, parsed.GetValue(text)!, parsed.GetValue(skip), parsed.GetValue(window), parsed.GetValue(windows)));
            }
            string table = Report.Table(
                ["prefill", "window", "tokens scored", "perplexity"],
                results.Select(r => new[] { r.Compute, $"{r.Window:N0}", $"{r.TokensScored:N0}", $"{r.Perplexity:F4}" }));
            Console.Write(table);
            ResultFiles.Write($"perplexity-{parsed.GetValue(window)}.md", table);
            if (parsed.GetValue(json))
                Console.WriteLine(Report.Json(results));
        });
        return command;
    }

    private static Result Measure(Engine engine, string path, int skip, int window, int windows)
    {
        int[] ids = engine.Tokenizer.Encode(File.ReadAllText(path));
        if (skip + (long)window * windows > ids.Length)
            throw new InputException($"{path} has {ids.Length:N0} tokens; {windows} windows of {window:N0} after {skip:N0} need {skip + (long)window * windows:N0}.");
        double sum = 0;
        int scored = 0;
        for (int i = 0; i < windows; i++)
        {
            using Session session = engine.NewSession();
            float[] scores = session.Score(ids.AsSpan(skip + i * window, window));
            sum += scores.Sum(score => (double)score);
            scored += scores.Length;
        }
        return new Result(engine.Compute.ToString().ToLowerInvariant(), window, scored, Math.Exp(-sum / scored));
    }

    private sealed record Result(string Compute, int Window, int TokensScored, double Perplexity);
}
