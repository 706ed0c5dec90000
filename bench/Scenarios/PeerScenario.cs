using System.CommandLine;
using Retrieval.Runtime;
using Retrieval.Runtime.Policies;
using Retrieval.Scenarios.Peers;

namespace Retrieval.Scenarios;

/// <summary>
/// <c>peer</c>: prefill and decode beside llama.cpp, same GGUF file, same tokens, same number of threads, in turns within
/// one run, so that a busy machine slows both.
/// </summary>
internal static class PeerScenario
{
    public static Command Create()
    {
        var command = new Command("peer", "Measure prefill and decode beside llama.cpp (npm node-llama-cpp; needs Node.js).");
        Option<string> model = new("--model", "-m") { Description = "GGUF file", Required = true };
        Option<string> lengths = new("--lengths") { Description = "Prompt lengths in tokens; '' for none", DefaultValueFactory = _ => "512,4096" };
        Option<string> depths = new("--depths") { Description = "Depths of random tokens at which decode alone is measured; '' for none", DefaultValueFactory = _ => "4096,16384,32768" };
        Option<bool> synthetic = new("--synthetic") { Description = "Make up our rows at the depths instead of reading the tokens" };
        Option<string> policy = new("--policy") { Description = "Policy of our side", DefaultValueFactory = _ => "ivf-pq" };
        Option<int> tokens = new("--tokens", "-n") { Description = "Tokens to generate after each prompt", DefaultValueFactory = _ => 64 };
        Option<int> repeats = new("--repeats", "-r") { Description = "Pairs of measurements; medians are reported", DefaultValueFactory = _ => 3 };
        Option<int> threads = new("--threads", "-t") { Description = "Threads of either side", DefaultValueFactory = _ => 2 };
        Option<bool> json = new("--json") { Description = "Print one JSON document as the last line" };
        Option<bool> readme = new("--update-readme") { Description = "Write the table into README.md" };
        foreach (Option option in new Option[] { model, lengths, depths, synthetic, policy, tokens, repeats, threads, json, readme })
            command.Options.Add(option);

        command.SetAction(parsed =>
        {
            var plan = new PeerPlan(
                Path.GetFullPath(parsed.GetValue(model)!), TokenCounts.Parse(parsed.GetValue(lengths)!, 16, "--lengths"),
                TokenCounts.Parse(parsed.GetValue(depths)!, 16, "--depths"), parsed.GetValue(synthetic),
                AtLeast(2, parsed.GetValue(tokens), "--tokens"), AtLeast(1, parsed.GetValue(repeats), "--repeats"), AtLeast(1, parsed.GetValue(threads), "--threads"),
                RetrievalPolicy.FromName(parsed.GetValue(policy)!));
            if (plan.Lengths.Count + plan.Depths.Count == 0)
                throw new InputException("--lengths and --depths are both empty; give at least one number of tokens.");
            using var theirs = LlamaCpp.Start(plan.Model, plan.Threads, Console.Error);
            using var ours = new Ours(plan);
            PeerResult result = new PeerMeasurement(plan, ours, theirs, Console.Error).Run();
            string document = result.ToMarkdown();
            Console.Write(document);
            ResultFiles.Write($"peer-llama-cpp-{Path.GetFileNameWithoutExtension(plan.Model).ToLowerInvariant()}.md", document);
            if (parsed.GetValue(readme))
                ResultFiles.UpdateReadme("peer", result.ToMarkdown());
            if (parsed.GetValue(json))
                Console.WriteLine(Report.Json(result));
        });
        return command;
    }

    private static int AtLeast(int least, int value, string flag) =>
        value >= least ? value : throw new InputException($"{flag} is {value}; it must be at least {least}.");
}
