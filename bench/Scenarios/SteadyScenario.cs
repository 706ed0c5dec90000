using System.CommandLine;
using Retrieval.Runtime;
using TorchSharp;

namespace Retrieval.Scenarios;

/// <summary>
/// <c>steady</c>: memory and libtorch's live tensors after loading a model, and after thousands of decode steps in a session
/// that is rewound again and again.
/// </summary>
internal static class SteadyScenario
{
    private const int Prompt = 64;
    private const int Stretch = 256;

    public static Command Create()
    {
        var command = new Command("steady", "Memory and live tensors over many decode steps.");
        Option<string> model = new("--model", "-m") { Description = "Model folder or file", Required = true };
        Option<int> steps = new("--steps") { Description = "Decode steps", DefaultValueFactory = _ => 10000 };
        Option<bool> json = new("--json") { Description = "Print one JSON document as the last line" };
        foreach (Option option in new Option[] { model, steps, json })
            command.Options.Add(option);

        command.SetAction(parsed =>
        {
            using var engine = Engine.Load(new EngineOptions { Model = parsed.GetValue(model)! });
            List<Sample> samples = Run(engine, parsed.GetValue(steps));
            string table = $"File {engine.FileBytes / 1e6:N0} MB.\n\n" + Report.Table(
                ["after", "resident MB", "live tensors"],
                samples.Select(s => new[] { s.After, $"{s.ResidentBytes / 1e6:N0}", $"{s.LiveTensors}" }));
            Console.Write(table);
            ResultFiles.Write("steady.md", table);
            if (parsed.GetValue(json))
                Console.WriteLine(Report.Json(samples));
        });
        return command;
    }

    private static List<Sample> Run(Engine engine, int steps)
    {
        var samples = new List<Sample> { Take("loading") };
        var random = new Random(1);
        using Session session = engine.NewSession();
        session.Append([.. Enumerable.Range(0, Prompt).Select(_ => random.Next(engine.Config.Vocabulary))]);
        for (int step = 1; step <= steps; step++)
        {
            if (session.Length == Prompt + Stretch)
                session.RewindTo(Prompt);
            session.Append([random.Next(engine.Config.Vocabulary)]);
            if (step == Math.Min(1000, steps) || step == steps)
                samples.Add(Take($"{step:N0} steps"));
        }
        return samples;
    }

    private static Sample Take(string after)
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
        return new Sample(after, Environment.WorkingSet, DisposeScopeManager.Statistics.ThreadTotalLiveCount);
    }

    private sealed record Sample(string After, long ResidentBytes, long LiveTensors);
}
