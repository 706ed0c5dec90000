using System.CommandLine;
using System.Diagnostics;
using Retrieval.Runtime;
using Retrieval.Runtime.Policies;
using Retrieval.Scenarios.Divergence;

namespace Retrieval.Scenarios.Prefill;

/// <summary>
/// <c>prefill</c>: how far reading a prompt with sparse attention moves the next-token distributions of its last tokens from those of
/// exact attention, and what it saves.
/// </summary>
internal static class PrefillScenario
{
    public static Command Create()
    {
        var command = new Command("prefill", "Read a text with exact and with sparse prefill: divergence of the last tokens' distributions, and time.");
        Option<string> model = new("--model", "-m") { Description = "Model folder or file", Required = true };
        Option<string> text = new("--text") { Description = "UTF-8 text file", Required = true };
        Option<int> context = new("--context", "-c") { Description = "Tokens of the text", DefaultValueFactory = _ => 8192 };
        Option<int> last = new("--last") { Description = "How many of the last tokens are compared", DefaultValueFactory = _ => 768 };
        Option<bool> rates = new("--rates") { Description = "Time only: no exact prefill to compare with" };
        Option<string[]> policy = new("--policy")
        {
            Description = $"Policies, {PolicyText.Help}",
            AllowMultipleArgumentsPerToken = true,
            DefaultValueFactory = _ => ["""{"policy":"ivf-pq","densePrefill":1024}"""],
        };
        Option<bool> json = new("--json") { Description = "Print one JSON document as the last line" };
        foreach (Option option in new Option[] { model, text, context, last, rates, policy, json })
            command.Options.Add(option);

        command.SetAction(parsed =>
        {
            int tokens = parsed.GetValue(context), compared = parsed.GetValue(last);
            RetrievalPolicy[] policies = [.. parsed.GetValue(policy)!.Select(PolicyText.Read)];
            using Engine engine = Engine.Load(new EngineOptions { Model = parsed.GetValue(model)!, Policy = new FullPolicy(), ContextLimit = tokens });
            int[] ids = engine.Tokenizer.Encode(File.ReadAllText(parsed.GetValue(text)!));
            if (ids.Length < tokens || compared < 1 || compared > tokens)
                throw new InputException($"The text has {ids.Length:N0} tokens; {tokens:N0} with the last {compared:N0} compared need a text of that length and 1 to {tokens:N0} tokens to compare.");
            var results = new List<PrefillResult>();
            float[][]? truth = null;
            if (!parsed.GetValue(rates))
            {
                truth = new float[compared][];
                results.Add(Read(engine, ids.AsSpan(0, tokens), compared, new FullPolicy(), truth, first: true));
            }
            foreach (RetrievalPolicy each in policies)
                results.Add(Read(engine, ids.AsSpan(0, tokens), compared, each, truth, first: false));
            string table = Report.Table(
                ["policy", "tokens/s", "s", "mean KL, nats", "same most likely token"],
                results.Select(r => new[] { r.Policy, $"{r.TokensPerSecond:F0}", $"{r.Seconds:F1}", r.MeanKl is { } kl ? $"{kl:F5}" : "", r.SameTop is { } same ? $"{same:P1}" : "" }));
            Console.Write(table);
            ResultFiles.Write($"prefill-{tokens}.md", $"{tokens:N0} tokens{(truth is null ? "" : $", the last {compared:N0} compared")}. {MachineName.Describe()}\n\n{table}");
            if (parsed.GetValue(json))
                Console.WriteLine(Report.Json(results));
        });
        return command;
    }

    private static PrefillResult Read(Engine engine, ReadOnlySpan<int> ids, int compared, RetrievalPolicy policy, float[][]? truth, bool first)
    {
        using Session session = engine.NewSession(policy);
        float[] found = [];
        double kl = 0, same = 0;
        int from = truth is null ? ids.Length : ids.Length - compared, start = from;
        long begin = Stopwatch.GetTimestamp();
        session.Read(ids, from, (token, logits) =>
        {
            if (truth is null)
                return;
            NextToken.LogProbabilities(logits, ref found);
            if (first)
            {
                truth[token - start] = [.. found];
                return;
            }
            kl += NextToken.Divergence(truth[token - start], found);
            same += NextToken.SameTop(truth[token - start], found) ? 1 : 0;
        });
        double seconds = Stopwatch.GetElapsedTime(begin).TotalSeconds;
        Console.Error.WriteLine($"{PolicyText.Describe(policy)}: {seconds:F1} s");
        return new PrefillResult(PolicyText.Describe(policy), ids.Length / seconds, seconds, truth is null ? null : kl / compared, truth is null ? null : first ? 1 : same / compared);
    }

    private sealed record PrefillResult(string Policy, double TokensPerSecond, double Seconds, double? MeanKl, double? SameTop);
}
