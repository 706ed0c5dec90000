using System.CommandLine;
using Retrieval.Evaluation;
using Retrieval.Runtime;
using Retrieval.Runtime.Policies;

namespace Retrieval.Scenarios;

/// <summary>
/// <c>needles</c>: does a policy answer as another one does? The text is read once; each question is put to the session and
/// to a fork of it under the other policy.
/// </summary>
internal static class NeedlesScenario
{
    public static Command Create()
    {
        var command = new Command("needles", "Compare the answers of two policies to questions about one long text.");
        Option<string> model = new("--model", "-m") { Description = "Model folder or file", Required = true };
        Option<int> context = new("--context", "-c") { Description = "Tokens of the whole prompt", DefaultValueFactory = _ => 32768 };
        Option<string> policy = Policy("--policy", "ivf-pq");
        Option<string> against = Policy("--against", "full");
        Option<int> single = new("--one-of-a-kind") { Description = "Facts of as many kinds, all asked for", DefaultValueFactory = _ => 20 };
        Option<int> same = new("--same-kind") { Description = "Facts of one further kind", DefaultValueFactory = _ => 50 };
        Option<int> ask = new("--ask") { Description = "How many of those are asked for", DefaultValueFactory = _ => 20 };
        Option<int> seed = new("--seed") { Description = "Seed of text and facts", DefaultValueFactory = _ => 2 };
        Option<string?> text = new("--text") { Description = "UTF-8 text file to hide the facts in; default: prose made from the seed" };
        Option<bool> twice = new("--read-twice") { Description = "The other policy reads the text itself instead of forking what the first one has read" };
        Option<bool> json = new("--json") { Description = "Print one JSON document as the last line" };
        foreach (Option option in new Option[] { model, context, policy, against, single, same, ask, seed, text, twice, json })
            command.Options.Add(option);

        command.SetAction(parsed =>
        {
            var options = new EngineOptions
            {
                Model = parsed.GetValue(model)!,
                Policy = PolicyText.Read(parsed.GetValue(policy)!),
                ContextLimit = parsed.GetValue(context),
            };
            var needles = new NeedleSet(parsed.GetValue(seed), parsed.GetValue(single), parsed.GetValue(same), parsed.GetValue(ask));
            string? source = parsed.GetValue(text) is string path ? File.ReadAllText(path) : null;
            using var engine = Engine.Load(options);
            NeedleComparison result = NeedleComparison.Run(engine, PolicyText.Read(parsed.GetValue(against)!), needles, source, parsed.GetValue(twice));
            result.Write(Console.Out);
            if (parsed.GetValue(json))
                Console.WriteLine(Report.Json(result));
            return result.Different == 0 ? 0 : 1;
        });
        return command;
    }

    private static Option<string> Policy(string name, string fallback)
        => new(name) { Description = $"Policy, {PolicyText.Help}", DefaultValueFactory = _ => fallback };
}
