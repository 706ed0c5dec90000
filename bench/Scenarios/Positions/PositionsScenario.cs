using System.CommandLine;
using System.Diagnostics;
using Retrieval.Runtime;
using Retrieval.Runtime.Policies;

namespace Retrieval.Scenarios.Positions;

/// <summary>
/// <c>positions</c>: how well a model foretells the same tokens behind texts of several lengths, within what it was trained for and
/// far beyond. The pieces all end at the same place of a book, so that the numbers differ by what stands before and not by what is foretold.
/// </summary>
internal static class PositionsScenario
{
    // Tokens at the end that are scored, the shorter for what is right behind the text.
    private const int Few = 512, Many = 2048;

    public static Command Create()
    {
        var command = new Command("positions", "Mean negative log-likelihood of the same last tokens behind texts of several lengths.");
        Option<string> model = new("--model", "-m") { Description = "Model folder or file", Required = true };
        Option<string[]> text = new("--text") { Description = "UTF-8 text files, read one after another", Required = true, AllowMultipleArgumentsPerToken = true };
        Option<int?> end = new("--end") { Description = "Token of the text at which all pieces end; default: the longest length" };
        Option<string> lengths = new("--lengths") { Description = "Lengths of the pieces, such as 8k,16k,32k", DefaultValueFactory = _ => "8k,16k,32k" };
        Option<string[]> policy = new("--policy")
        {
            Description = $"Policies, {PolicyText.Help}",
            AllowMultipleArgumentsPerToken = true,
            DefaultValueFactory = _ => ["ivf-pq", """{"policy":"ivf-pq","positions":"clamped","window":4096}"""],
        };
        Option<bool> json = new("--json") { Description = "Print one JSON document as the last line" };
        foreach (Option option in new Option[] { model, text, end, lengths, policy, json })
            command.Options.Add(option);

        command.SetAction(parsed =>
        {
            int[] pieces = TokenCounts.Parse(parsed.GetValue(lengths)!, Many + 1, "--lengths");
            RetrievalPolicy[] policies = [.. parsed.GetValue(policy)!.Select(PolicyText.Read)];
            using Engine engine = Engine.Load(new EngineOptions { Model = parsed.GetValue(model)!, ContextLimit = pieces.Max() });
            int[] ids = engine.Tokenizer.Encode(string.Concat(parsed.GetValue(text)!.Select(File.ReadAllText)));
            int last = parsed.GetValue(end) ?? pieces.Max();
            if (last > ids.Length || last < pieces.Max())
                throw new InputException($"The text has {ids.Length:N0} tokens; pieces of {pieces.Max():N0} that end at token {last:N0} need a text of that length and an end behind them.");
            var results = new List<Result>();
            foreach (int length in pieces)
            {
                foreach (RetrievalPolicy each in policies)
                    results.Add(Measure(engine, ids.AsSpan(last - length, length), each));
            }
            string table = Report.Table(
                ["tokens", "policy", $"last {Few}, nats", $"last {Many:N0}, nats", "tokens/s"],
                results.Select(r => new[] { $"{r.Tokens:N0}", r.Policy, $"{r.Few:F3}", $"{r.Many:F3}", $"{r.TokensPerSecond:F0}" }));
            Console.Write(table);
            ResultFiles.Write("positions.md", $"Mean negative log-likelihood of the last tokens; all pieces end at token {last:N0}. {engine.ModelName}, trained for {engine.Config.TrainedContext:N0} tokens. {MachineName.Describe()}\n\n{table}");
            if (parsed.GetValue(json))
                Console.WriteLine(Report.Json(results));
        });
        return command;
    }

    private static Result Measure(Engine engine, ReadOnlySpan<int> ids, RetrievalPolicy policy)
    {
        using Session session = engine.NewSession(policy);
        var scores = new double[Many];
        int[] tokens = ids.ToArray();
        int first = tokens.Length - Many;
        long begin = Stopwatch.GetTimestamp();
        session.Read(tokens, first - 1, (token, logits) =>
        {
            if (token + 1 < tokens.Length)
                scores[token + 1 - first] = -Session.LogProbability(logits, tokens[token + 1]);
        });
        double seconds = Stopwatch.GetElapsedTime(begin).TotalSeconds;
        var result = new Result(tokens.Length, PolicyText.Describe(policy), scores.TakeLast(Few).Average(), scores.Average(), tokens.Length / seconds);
        Console.Error.WriteLine($"{result.Tokens:N0} tokens, {result.Policy}: {result.Few:F3} and {result.Many:F3} nats, {seconds:F0} s");
        return result;
    }

    private sealed record Result(int Tokens, string Policy, double Few, double Many, double TokensPerSecond);
}
