using System.CommandLine;
using Retrieval.Runtime;
using Retrieval.Runtime.Policies;

namespace Retrieval.Scenarios.Divergence;

/// <summary>
/// <c>divergence</c>: how far a policy moves the next-token distribution of a whole model from that of full attention. The text is
/// read once, densely; its last tokens are then fed one by one, the same to all (teacher forcing), each policy on a fork.
/// </summary>
internal static class DivergenceScenario
{
    public static Command Create()
    {
        var command = new Command("divergence", "Kullback-Leibler divergence of next-token distributions from full attention, teacher-forced.");
        Option<string> model = new("--model", "-m") { Description = "Model folder or file", Required = true };
        Option<string> text = new("--text") { Description = "UTF-8 text file", Required = true };
        Option<int> context = new("--context", "-c") { Description = "Tokens of the text", DefaultValueFactory = _ => 8192 };
        Option<int> last = new("--last") { Description = "How many of them are fed one by one", DefaultValueFactory = _ => 192 };
        Option<string[]> policy = new("--policy")
        {
            Description = $"Policies, {PolicyText.Help}",
            AllowMultipleArgumentsPerToken = true,
            DefaultValueFactory = _ => ["streaming", "ivf-pq"],
        };
        Option<bool> errors = new("--head-errors") { Description = "Compare every head's output with attention over all of its rows; slow, and bytes and divergence stay the same" };
        Option<bool> json = new("--json") { Description = "Print one JSON document as the last line" };
        foreach (Option option in new Option[] { model, text, context, last, policy, errors, json })
            command.Options.Add(option);

        command.SetAction(parsed =>
        {
            int tokens = parsed.GetValue(context), forced = parsed.GetValue(last);
            RetrievalPolicy[] policies = [.. parsed.GetValue(policy)!.Select(PolicyText.Read)];
            var options = new EngineOptions { Model = parsed.GetValue(model)!, Policy = new FullPolicy(), ContextLimit = tokens };
            using Engine engine = Engine.Load(options);
            int[] ids = engine.Tokenizer.Encode(File.ReadAllText(parsed.GetValue(text)!));
            if (ids.Length < tokens || forced < 1 || forced >= tokens)
                throw new InputException($"The text has {ids.Length:N0} tokens; {tokens:N0} with the last {forced:N0} fed one by one need a text of that length and 1 to {tokens - 1:N0} forced tokens.");
            DivergenceResult[] results = [.. Measure(engine, ids.AsMemory(0, tokens), forced, policies, parsed.GetValue(errors))];
            string table = Report.Table(
                ["policy", "bytes of far KV read", "mean KL, nats", "same most likely token", "mean error of heads", "p95"],
                results.Select(r => new[] { r.Policy, $"{r.BytesPct:F2} %", $"{r.MeanKl:F5}", $"{r.SameTop:P1}", Error(r.MeanError), Error(r.P95Error) }));
            Console.Write(table);
            ResultFiles.Write("divergence.md", $"{tokens:N0} tokens, the last {forced:N0} fed one by one; bytes as a share of the 16-bit keys and values of all indexed tokens, index included. {MachineName.Describe()}\n\n{table}");
            if (parsed.GetValue(json))
                Console.WriteLine(Report.Json(results));
        });
        return command;
    }

    private static IEnumerable<DivergenceResult> Measure(Engine engine, ReadOnlyMemory<int> ids, int forced, RetrievalPolicy[] policies, bool headErrors)
    {
        int start = ids.Length - forced;
        using Session full = engine.NewSession();
        full.Append(ids.Span[..start]);
        List<float>[] errors = [.. policies.Select(_ => new List<float>())];
        Session[] forks = [.. policies.Select((policy, i) => full.Fork(headErrors ? new ProbedPolicy(policy, errors[i]) : policy))];
        long[] before = [.. forks.Select(fork => fork.SelectorBytesRead)];
        int[] indexed = [.. forks.Select(fork => fork.IndexedTokens)];
        var kl = new double[forks.Length];
        var same = new int[forks.Length];
        float[] truth = [], found = [];
        for (int i = start; i < ids.Length; i++)
        {
            full.Append(ids.Span.Slice(i, 1));
            NextToken.LogProbabilities(full.Logits, ref truth);
            for (int f = 0; f < forks.Length; f++)
            {
                forks[f].Append(ids.Span.Slice(i, 1));
                NextToken.LogProbabilities(forks[f].Logits, ref found);
                kl[f] += NextToken.Divergence(truth, found);
                same[f] += NextToken.SameTop(truth, found) ? 1 : 0;
            }
            if ((i - start + 1) % 32 == 0)
                Console.Error.WriteLine($"{i - start + 1} of {forced} tokens");
        }
        for (int f = 0; f < forks.Length; f++)
        {
            double bytes = 4.0 * engine.Config.Layers * engine.Config.KvHeads * engine.Config.HeadDim * indexed[f] * forced;
            yield return new DivergenceResult(
                PolicyText.Describe(policies[f]), bytes == 0 ? 0 : 100 * (forks[f].SelectorBytesRead - before[f]) / bytes, kl[f] / forced, (double)same[f] / forced,
                headErrors && errors[f].Count > 0 ? errors[f].Average() : null, headErrors && errors[f].Count > 0 ? Quantile(errors[f], 0.95) : null);
            forks[f].Dispose();
        }
    }

    private static double Quantile(List<float> values, double share) => values.Order().ElementAt((int)Math.Ceiling(share * values.Count) - 1);

    private static string Error(double? error) => error is { } value ? $"{value:F4}" : "";

    private sealed record DivergenceResult(string Policy, double BytesPct, double MeanKl, double SameTop, double? MeanError, double? P95Error);
}
