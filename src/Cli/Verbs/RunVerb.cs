using System.CommandLine;
using System.Diagnostics;
using Retrieval.Cli.Flags;
using Retrieval.Runtime;

namespace Retrieval.Cli.Verbs;

/// <summary><c>retrieval run</c>: a text and a question in, generated text out.</summary>
internal static class RunVerb
{
    public static Command Create(Terminal terminal)
    {
        var command = new Command("run", "Read a text, answer a question about it, or continue it.");
        var prompt = new PromptFlags();
        var model = new ModelFlags();
        var policy = new PolicyFlags();
        var generation = new GenerationFlags();
        Option<bool> verbose = Flag.Switch("--verbose", [], "Print timings to standard error");
        Option<bool> json = Flag.Switch("--json", [], "Print one JSON document as the last line, all else to standard error");
        prompt.AddTo(command);
        model.AddTo(command);
        policy.AddTo(command);
        generation.AddTo(command);
        command.Options.Add(verbose);
        command.Options.Add(json);

        command.SetAction(parsed => Failure.Guard(terminal, () =>
        {
            GenerationOptions options = generation.Read(parsed);
            EngineOptions engineOptions = model.Read(parsed, policy.Read(parsed));
            PromptInput input = PromptInput.Read(prompt.Prompt(parsed), prompt.File(parsed), terminal);

            var total = Stopwatch.StartNew();
            using Engine engine = Engine.Load(engineOptions);
            TimeSpan load = total.Elapsed;
            int[] tokens = prompt.Form(parsed, engine).Whole(input.Document, input.Question);
            using Session session = engine.NewSession();
            bool toJson = parsed.GetValue(json);
            ContextWarning.Write(terminal.Error, engine, (long)tokens.Length + options.MaxTokens);
            engine.RequireRoom((long)tokens.Length + options.MaxTokens);
            MemoryPlan plan = PlanDisplay.Show(terminal.Error, session, tokens);
            // Until here Ctrl-C just ends the process.
            using var interrupt = new Interrupt();
            GenerationResult result = Generate(terminal, engine, session, tokens, options, plan, toJson, interrupt.Token);

            if (parsed.GetValue(verbose))
                Timings.Write(terminal.Error, total.Elapsed, load, session, result);
            if (toJson)
                terminal.WriteJson(RunReport.From(engine, session, result, plan));
            return result.Finish == FinishReason.Cancelled ? ExitCode.Interrupted : ExitCode.Success;
        }));
        return command;
    }

    private static GenerationResult Generate(
        Terminal terminal, Engine engine, Session session, int[] tokens, GenerationOptions options, MemoryPlan plan, bool json, CancellationToken cancel)
    {
        var display = new PrefillDisplay(terminal, "reading");
        bool started = false;
        GenerationResult result;
        try
        {
            result = TextGenerator.Generate(engine, session, tokens, options, text =>
            {
                if (!started)
                    display.Finish();
                started = true;
                terminal.Stream(text, json);
            }, display, cancel);
        }
        catch (OperationCanceledException)
        {
            // Stopped while reading: a document is promised all the same, and it says that nothing was read.
            display.Stopped();
            var nothing = new GenerationResult("", [], FinishReason.Cancelled, 0, default, default, default, 0);
            if (json)
                terminal.WriteJson(RunReport.From(engine, session, nothing, plan, display.Account));
            throw;
        }
        display.Finish();
        terminal.Stream("\n", json);
        return result;
    }
}
