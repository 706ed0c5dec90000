using System.Diagnostics;
using Retrieval.Evaluation;
using Retrieval.Offload;
using Retrieval.Runtime;
using Retrieval.Runtime.Policies;

namespace Retrieval.Cli;

/// <summary>The demo in order: build the text, read it once, ask for each fact, time a step, print the costs.</summary>
internal sealed class Demo(Terminal terminal, Engine engine, PromptForm form, bool json, CancellationToken cancel)
{
    private readonly NeedleQuiz _quiz = new(engine, form);
    private readonly TextWriter _out = terminal.Human(json);
    private readonly List<NeedleAnswer> _answers = [];
    private TimeSpan? _reading;
    private MemoryPlan? _plan;
    private ReadingAccount? _stopped;
    private DemoCosts? _own, _full;
    private int? _fullCorrect;
    private DemoSameKind? _sameKind;

    /// <summary>Runs the demo. When it is stopped, the report holds what was answered until then.</summary>
    public DemoReport Run(DemoText text)
    {
        (IReadOnlyList<Needle> single, IReadOnlyList<Needle> same) = text.Needles();
        Needle[] needles = [.. single, .. same];
        // The document's own frame in the prompt (begin token, template) counts as well.
        int reserve = _quiz.Reserve(needles) + form.Head("").Length;
        Haystack haystack = text.Build(engine.Tokenizer, needles, reserve);
        int[] tokens = form.Head(haystack.Text);
        _out.WriteLine($"{engine.ModelName} reads {Units.Count(tokens.Length)} tokens ({Units.Count(haystack.Text.Length)} characters) with {single.Count} facts hidden in them{(same.Count == 0 ? "" : $" and {same.Count} of one kind")}, policy {PolicyText.Describe(engine.Options.Policy)}.");
        _out.Flush();

        using Session session = engine.NewSession();
        bool interrupted = false;
        try
        {
            PlacedNeedle[] sameAsked = [.. haystack.Needles.Where(placed => same.Take(DemoText.SameKindAsked).Contains(placed.Needle))];
            Play(session, tokens, [.. haystack.Needles.Where(placed => single.Contains(placed.Needle))], sameAsked, same.Count);
        }
        catch (OperationCanceledException)
        {
            interrupted = true;
        }
        DemoReport report = Summarize(session, tokens.Length, interrupted);
        if (report.Asked > 0)
            _out.WriteLine($"\n{report.Correct} of {report.Asked} right{Beside(report.FullCorrect)}.");
        if (report.SameKind is { } among)
            _out.WriteLine($"Of {among.Asked} asked among {among.Hidden} of one kind {among.Correct} right{Beside(among.FullCorrect)}.");
        if (_own is not null)
            WriteCosts(session, _own, report.RssBytes);
        return report;
    }

    private static string Beside(int? full) => full is null ? "" : $"; full attention, from the same rows: {full}";

    /// <param name="facts">One of a kind, in the order of the text.</param>
    /// <param name="same">Those to ask for of <paramref name="hidden"/> of one kind.</param>
    private void Play(Session session, int[] tokens, PlacedNeedle[] facts, PlacedNeedle[] same, int hidden)
    {
        _reading = Read(session, tokens);
        _out.WriteLine($"Read in {Units.Time(_reading.Value)}, {Units.Rate(tokens.Length / _reading.Value.TotalSeconds)} tokens/s.");
        _out.WriteLine();
        foreach (PlacedNeedle needle in facts)
            Ask(session, needle);
        if (same.Length > 0)
            _sameKind = new DemoSameKind(hidden, same.Length, Correct(session, same), null);
        _own = Measure(session, facts[0]);
        if (session.Policy is FullPolicy)
            return;
        using Session full = session.Fork(new FullPolicy());
        _full = Measure(full, facts[0]);
        _fullCorrect = Correct(full, facts);
        if (_sameKind is not null)
            _sameKind = _sameKind with { FullCorrect = Correct(full, same) };
    }

    private int Correct(Session session, PlacedNeedle[] needles) => needles.Count(needle => _quiz.Ask(session, needle, cancel).Correct);

    private TimeSpan Read(Session session, int[] tokens)
    {
        _plan = PlanDisplay.Show(terminal.Error, session, tokens);
        var display = new PrefillDisplay(terminal, "reading");
        try
        {
            long begin = Stopwatch.GetTimestamp();
            session.Append(tokens, display, cancel);
            return Stopwatch.GetElapsedTime(begin);
        }
        catch (OperationCanceledException)
        {
            display.Stopped();
            _stopped = display.Account;
            throw;
        }
        finally
        {
            display.Finish();
        }
    }

    private void Ask(Session session, PlacedNeedle needle)
    {
        NeedleAnswer answer = _quiz.Ask(session, needle, cancel);
        _answers.Add(answer);
        string verdict = answer.Correct ? "right" : $"wrong, it is {needle.Needle.Answer}";
        _out.WriteLine($"{needle.Depth,4:0%}  {needle.Needle.Question}  {answer.Text.ReplaceLineEndings(" ")}  ({verdict})");
        _out.Flush();
    }

    private DemoCosts Measure(Session session, PlacedNeedle needle)
    {
        // The middle one of three passes: the first may still build or compile something, and machines stumble.
        GenerationResult timed = Enumerable.Range(0, 3).Select(_ => _quiz.Time(session, needle, cancel))
            .OrderBy(pass => pass.MillisecondsPerToken).ElementAt(1);
        cancel.ThrowIfCancellationRequested();
        return new DemoCosts(session.Policy.Name, session.Memory, timed.TimeToFirstToken, timed.MillisecondsPerToken);
    }

    private void WriteCosts(Session session, DemoCosts own, long resident)
    {
        _out.WriteLine();
        DemoCosts.Write(_out, _reading!.Value, own, _full, resident);
        if (_full is null || session.IndexedTokens == 0 || session.Policy is not IvfPqPolicy || engine.Options.KvRows == RowFormat.F16)
            return;
        _out.WriteLine();
        _out.WriteLine("Full attention reads the same rows: rounded to 8 bits when they were indexed, and widened to 16 again (--kv-dtype f16 rounds none).");
    }

    private DemoReport Summarize(Session session, int tokens, bool interrupted)
    {
        SessionMemory memory = _own?.Memory ?? session.Memory;
        return new DemoReport(
            engine.ModelName,
            session.Policy.Name,
            session.Policy,
            RowText.Name(engine.Options.KvRows),
            interrupted,
            _answers.Count,
            _answers.Count(answer => answer.Correct),
            _fullCorrect,
            _sameKind,
            _reading is null ? 0 : tokens + _answers.Select(answer => answer.Result.PromptTokens).DefaultIfEmpty().Max(),
            _answers.Sum(answer => answer.Result.Tokens.Count),
            Rounded((_reading + _own?.Question)?.TotalMilliseconds),
            Rounded(_own?.Question.TotalMilliseconds),
            Rounded(_own?.MillisecondsPerToken),
            Rounded(_full?.Question.TotalMilliseconds),
            Rounded(_full?.MillisecondsPerToken),
            Rounded(tokens / _reading?.TotalSeconds),
            memory.DeviceBytes,
            memory.HostKvBytes,
            memory.IndexBytes,
            Environment.WorkingSet,
            _plan,
            _stopped,
            [.. _answers.Select(answer => new DemoFact(
                answer.Placed.Needle.Kind, RunReport.Round(answer.Placed.Depth), answer.Placed.Needle.Question, answer.Placed.Needle.Answer, answer.Text, answer.Correct))],
            string.Join('\n', _answers.Select(answer => answer.Text)));
    }

    private static double? Rounded(double? value) => value is { } number ? RunReport.Round(number) : null;
}
