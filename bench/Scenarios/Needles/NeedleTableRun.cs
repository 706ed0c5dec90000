using System.Diagnostics;
using Retrieval.Evaluation;
using Retrieval.Runtime;
using Retrieval.Runtime.Policies;

namespace Retrieval.Scenarios.Needles;

/// <summary>Reads texts of one length after the other and asks about them. A table can be had after each reading.</summary>
/// <param name="exact">Policy that reads with exact attention.</param>
/// <param name="sparse">Policy that reads with sparse attention.</param>
internal sealed class NeedleTableRun(Engine engine, RetrievalPolicy exact, RetrievalPolicy sparse, int[] seeds, TextWriter log)
{
    private readonly List<NeedleCell> _cells = [];
    private readonly List<WrongAnswer> _wrong = [];

    /// <param name="notRun">Readings that are left out, or come later.</param>
    public NeedleTable Table(IEnumerable<NeedleReading> notRun) => new(
        engine.ModelName, PolicyText.Describe(exact), PolicyText.Describe(sparse), seeds.Length, [.. _cells], [.. _wrong], [.. notRun]);

    /// <summary>Reads the texts of a length and asks for the facts in them.</summary>
    public void Read(NeedleReading reading)
    {
        var right = new int[Enum.GetValues<NeedleFamily>().Length, NeedleGrid.Depths];
        var asked = new int[right.GetLength(0), NeedleGrid.Depths];
        foreach (int seed in seeds)
        {
            foreach ((NeedleAnswer answer, NeedleFamily family, int depth) in Answers(reading, seed))
            {
                asked[(int)family, depth]++;
                if (answer.Correct)
                    right[(int)family, depth]++;
                else
                    _wrong.Add(new WrongAnswer(reading, family, depth, answer.Placed.Needle.Question, answer.Placed.Needle.Answer, answer.Text.ReplaceLineEndings(" ")));
            }
        }
        foreach (NeedleFamily family in Enum.GetValues<NeedleFamily>())
        {
            for (int depth = 0; depth < NeedleGrid.Depths; depth++)
                _cells.Add(new NeedleCell(reading, family, depth, asked[(int)family, depth], right[(int)family, depth]));
        }
    }

    private IEnumerable<(NeedleAnswer Answer, NeedleFamily Family, int Depth)> Answers(NeedleReading reading, int seed)
    {
        var form = new PromptForm(engine.Tokenizer, engine.ChatTemplate, PromptForm.PositionFor(engine.ModelName));
        var quiz = new NeedleQuiz(engine, form);
        var grid = new NeedleGrid(seed);
        Haystack haystack = grid.Build(engine, form, quiz, reading.Tokens);
        using Session session = engine.NewSession(reading.Exact ? exact : sparse);
        long begin = Stopwatch.GetTimestamp();
        session.Append(form.Head(haystack.Text));
        log.WriteLine($"{reading.Name}, {session.Length:N0} tokens, seed {seed}: read in {Stopwatch.GetElapsedTime(begin).TotalSeconds:0} s, {grid.Questions} questions");
        foreach (PlacedNeedle placed in haystack.Needles)
        {
            if (grid.Cell(placed.Needle) is { } cell)
                yield return (quiz.Ask(session, placed), cell.Family, cell.Depth);
        }
    }
}
