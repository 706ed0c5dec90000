using System.Diagnostics;
using Retrieval.Evaluation;
using Retrieval.Runtime;
using Retrieval.Runtime.Policies;

namespace Retrieval.Scenarios.Needles;

/// <summary>Reads texts and asks about them, one text of each length after the other. A table can be had at any time.</summary>
/// <param name="exact">Policy that reads with exact attention.</param>
/// <param name="sparse">Policy that reads with sparse attention.</param>
/// <param name="wanted">What to read.</param>
/// <param name="leftOut">What the table says was not run.</param>
internal sealed class NeedleTableRun(
    Engine engine, RetrievalPolicy exact, RetrievalPolicy sparse, IReadOnlyList<NeedleReading> wanted, IReadOnlyList<NeedleReading> leftOut, TextWriter log)
{
    private readonly List<NeedleResult> _results = [];
    private readonly HashSet<NeedleReading> _read = [];

    /// <summary>What is known so far; a text counts as soon as it was read at all lengths, the first one at once.</summary>
    public NeedleTable Table => NeedleTable.Of(
        engine.ModelName, PolicyText.Describe(exact), PolicyText.Describe(sparse), _results, [.. wanted.Except(_read), .. leftOut]);

    /// <summary>Makes a text of each length from a seed, reads it and asks for the facts in it.</summary>
    /// <param name="onRead">Called after each reading of the first text, and after all of any other.</param>
    public void Read(int seed, Action onRead)
    {
        bool first = _results.Count == 0;
        var results = new List<NeedleResult>();
        foreach (NeedleReading reading in wanted)
        {
            results.AddRange(Read(reading, seed));
            if (!first)
                continue;
            _read.Add(reading);
            Take();
        }
        Take();

        void Take()
        {
            _results.AddRange(results);
            if (results.Count > 0)
                onRead();
            results.Clear();
        }
    }

    private List<NeedleResult> Read(NeedleReading reading, int seed)
    {
        var form = new PromptForm(engine.Tokenizer, engine.ChatTemplate, PromptForm.PositionFor(engine.ModelName));
        var quiz = new NeedleQuiz(engine, form);
        var grid = new NeedleGrid(seed);
        Haystack haystack = grid.Build(engine, form, quiz, reading.Tokens);
        using Session session = engine.NewSession(reading.Exact ? exact : sparse);
        long begin = Stopwatch.GetTimestamp();
        session.Append(form.Head(haystack.Text));
        log.WriteLine($"{reading.Name}, {session.Length:N0} tokens, seed {seed}: read in {Stopwatch.GetElapsedTime(begin).TotalSeconds:0} s, {grid.Questions} questions");
        var results = new List<NeedleResult>();
        foreach (PlacedNeedle placed in haystack.Needles)
        {
            if (grid.Cell(placed.Needle) is not { } cell)
                continue;
            NeedleAnswer answer = quiz.Ask(session, placed);
            results.Add(new NeedleResult(reading, cell.Family, cell.Depth, placed.Needle.Question, placed.Needle.Answer, answer.Text.ReplaceLineEndings(" "), answer.Correct));
        }
        return results;
    }
}
