using System.Diagnostics;
using Retrieval.Evaluation;
using Retrieval.Runtime;
using Retrieval.Runtime.Policies;

namespace Retrieval.Cli;

/// <summary>The demo in order: build the text, read it once, ask for each fact, time a step, print the costs.</summary>
internal sealed class Demo(Terminal terminal, Engine engine, PromptForm form, bool json, CancellationToken cancel)
{
    private readonly NeedleQuiz _quiz = new(engine, form);
    private readonly TextWriter _out = terminal.Human(json);

    public DemoReport Run(DemoText text)
    {
        IReadOnlyList<Needle> needles = text.Needles();
        // The document's own frame in the prompt (begin token, template) counts as well.
        int reserve = _quiz.Reserve(needles) + form.Head("").Length;
        Haystack haystack = text.Build(engine.Tokenizer, needles, reserve);
        int[] tokens = form.Head(haystack.Text);
        _out.WriteLine($"{engine.ModelName} reads {Units.Count(tokens.Length)} tokens ({Units.Count(haystack.Text.Length)} characters) with {needles.Count} facts hidden in them, policy {engine.Options.Policy.Name}.");
        _out.Flush();

        using Session session = engine.NewSession();
        var clock = Stopwatch.StartNew();
        Read(session, tokens);
        TimeSpan reading = clock.Elapsed;
        _out.WriteLine($"Read in {Units.Time(reading)}, {Units.Rate(tokens.Length / reading.TotalSeconds)} tokens/s.");
        _out.WriteLine();

        List<NeedleAnswer> answers = [.. haystack.Needles.Select(needle => Ask(session, needle))];
        DemoCosts own = Measure(session, haystack.Needles[0]);
        using Session? full = session.Policy is FullPolicy ? null : session.Fork(new FullPolicy());
        DemoCosts? other = full is null ? null : Measure(full, haystack.Needles[0]);

        DemoReport report = Summarize(tokens.Length, reading, answers, own, other);
        _out.WriteLine();
        _out.WriteLine($"{report.Correct} of {report.Asked} right.");
        _out.WriteLine();
        DemoCosts.Write(_out, reading, own, other, report.RssBytes);
        return report;
    }

    private void Read(Session session, int[] tokens)
    {
        var display = new PrefillDisplay(terminal, "reading");
        try
        {
            session.Append(tokens, display, cancel);
        }
        finally
        {
            display.Finish();
        }
    }

    private NeedleAnswer Ask(Session session, PlacedNeedle needle)
    {
        NeedleAnswer answer = _quiz.Ask(session, needle, cancel);
        string verdict = answer.Correct ? "right" : $"wrong, it is {needle.Needle.Answer}";
        _out.WriteLine($"{needle.Depth,4:0%}  {needle.Needle.Question}  {answer.Text.ReplaceLineEndings(" ")}  ({verdict})");
        _out.Flush();
        return answer;
    }

    private DemoCosts Measure(Session session, PlacedNeedle needle)
    {
        // The middle one of three passes: the first may still build or compile something, and machines stumble.
        GenerationResult timed = Enumerable.Range(0, 3).Select(_ => _quiz.Time(session, needle, cancel))
            .OrderBy(pass => pass.MillisecondsPerToken).ElementAt(1);
        cancel.ThrowIfCancellationRequested();
        return new DemoCosts(session.Policy.Name, session.Memory, timed.TimeToFirstToken, timed.MillisecondsPerToken);
    }

    private DemoReport Summarize(int tokens, TimeSpan reading, List<NeedleAnswer> answers, DemoCosts own, DemoCosts? full) => new(
        engine.ModelName,
        own.Policy,
        answers.Count,
        answers.Count(answer => answer.Correct),
        tokens + answers.Max(answer => answer.Result.PromptTokens),
        answers.Sum(answer => answer.Result.Tokens.Count),
        RunReport.Round((reading + own.Question).TotalMilliseconds),
        RunReport.Round(own.Question.TotalMilliseconds),
        RunReport.Round(own.MillisecondsPerToken),
        full is null ? null : RunReport.Round(full.Question.TotalMilliseconds),
        full is null ? null : RunReport.Round(full.MillisecondsPerToken),
        RunReport.Round(tokens / reading.TotalSeconds),
        own.Memory.DeviceBytes,
        own.Memory.HostKvBytes,
        own.Memory.IndexBytes,
        Environment.WorkingSet,
        [.. answers.Select(answer => new DemoFact(
            answer.Placed.Needle.Kind, RunReport.Round(answer.Placed.Depth), answer.Placed.Needle.Question, answer.Placed.Needle.Answer, answer.Text, answer.Correct))],
        string.Join('\n', answers.Select(answer => answer.Text)));
}
