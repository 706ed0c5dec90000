using System.CommandLine;
using Retrieval.Evaluation;
using Retrieval.Runtime;
using Retrieval.Runtime.Policies;
using Retrieval.Scenarios.Decoding;

namespace Retrieval.Scenarios;

/// <summary><c>decode</c>: what a decode step costs at each depth under each policy, and where the time goes.</summary>
internal static class DecodeScenario
{
    private const int ShortestDepth = 16;

    public static Command Create()
    {
        var command = new Command("decode", "Milliseconds of a decode step over KV caches of synthetic rows, split by part, beside the bound of memory.");
        Option<string> model = new("--model", "-m") { Description = "Model folder or file", Required = true };
        Option<string> depths = new("--depths") { Description = "Tokens in the cache; 128k and 1m are understood", DefaultValueFactory = _ => "4k,32k,128k" };
        Option<string> policies = new("--policy") { Description = $"Policies: {string.Join(", ", RetrievalPolicy.Names)}", DefaultValueFactory = _ => "ivf-pq,full" };
        Option<int> steps = new("--steps", "-n") { Description = "Steps that are measured, after warming up", DefaultValueFactory = _ => 32 };
        Option<int> generate = new("--generate") { Description = "Steps of a generation at each depth, to find the longest one; about 1,200 take over a new segment of the index. Default: none" };
        Option<int> threads = new("--threads", "-t") { Description = "Threads", DefaultValueFactory = _ => Environment.ProcessorCount };
        Option<bool> json = new("--json") { Description = "Print one JSON document as the last line" };
        Option<bool> readme = new("--update-readme") { Description = "Write a shorter table into README.md" };
        foreach (Option option in new Option[] { model, depths, policies, steps, generate, threads, json, readme })
            command.Options.Add(option);

        command.SetAction(parsed =>
        {
            int[] tokens = TokenCounts.Parse(parsed.GetValue(depths)!, ShortestDepth, "--depths");
            RetrievalPolicy[] chosen = [.. parsed.GetValue(policies)!.Split(',').Select(name => PolicyText.Read(name.Trim()))];
            if (tokens.Length == 0)
                throw new InputException("--depths is empty; give at least one number of tokens.");
            int count = parsed.GetValue(steps), workers = parsed.GetValue(threads);
            if (parsed.GetValue(generate) < 0)
                throw new InputException($"--generate is {parsed.GetValue(generate)}; it must be at least 0.");
            if (count < 1 || workers < 1)
                throw new InputException($"--steps is {count} and --threads is {workers}; both must be at least 1.");
            double bandwidth = MemoryBandwidth.Measure(workers);
            using var rig = new DecodeRig(parsed.GetValue(model)!, workers);
            var measurement = new DecodeMeasurement(rig, bandwidth, count, parsed.GetValue(generate), Console.Error);
            var cells = new List<object>();
            foreach (RetrievalPolicy policy in chosen)
                cells.AddRange(measurement.Measure(tokens, policy));
            var result = new DecodeResult(rig.ModelName, MachineName.Describe(), workers, Math.Round(bandwidth, 1), count, cells);
            string document = result.ToMarkdown();
            Console.Write(document);
            ResultFiles.Write("decode.md", document);
            if (measurement.Generations.Count > 0)
            {
                string generations = GenerationCell.ToMarkdown(result.Title, measurement.Generations);
                Console.Write($"\n{generations}");
                ResultFiles.Write("decode-generation.md", generations);
            }
            if (parsed.GetValue(readme))
                ResultFiles.UpdateReadme("decode", result.ToShortMarkdown());
            if (parsed.GetValue(json))
                Console.WriteLine(Report.Json(new List<object>([.. result.Cells, .. measurement.Generations])));
        });
        return command;
    }
}
