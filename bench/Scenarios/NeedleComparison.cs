using System.Diagnostics;
using System.Globalization;
using Retrieval.Evaluation;
using Retrieval.Runtime;
using Retrieval.Runtime.Policies;

namespace Retrieval.Scenarios;

/// <summary>Answers of two policies to the same questions.</summary>
/// <param name="Different">Questions to which the answers differ, right or wrong.</param>
internal sealed record NeedleComparison(
    string Model, string Policy, string Against, int Tokens, double ReadSeconds, IReadOnlyList<ComparedAnswer> Answers, int Equal, int Different)
{
    public static NeedleComparison Run(Engine engine, RetrievalPolicy against, NeedleSet set, string? source, bool readTwice)
    {
        (IReadOnlyList<Needle> hidden, HashSet<Needle> asked) = set.Make();
        var form = new PromptForm(engine.Tokenizer, engine.ChatTemplate, PromptForm.PositionFor(engine.ModelName));
        var quiz = new NeedleQuiz(engine, form);
        IEnumerable<string> sentences = source is null ? Prose.Sentences(set.Seed) : TextUnits.Sentences(source);
        using var builder = new HaystackBuilder(text => engine.Tokenizer.Encode(text).Length, sentences, set.Seed);
        Haystack haystack = builder.Build(hidden, engine.ContextLimit - quiz.Reserve(asked) - form.Head("").Length);
        int[] tokens = form.Head(haystack.Text);

        using Session session = engine.NewSession();
        var clock = Stopwatch.StartNew();
        session.Append(tokens);
        double seconds = clock.Elapsed.TotalSeconds;
        using Session other = readTwice ? engine.NewSession(against) : session.Fork(against);
        if (readTwice)
            other.Append(tokens);
        Console.Error.WriteLine($"read in {seconds:F1} and {clock.Elapsed.TotalSeconds - seconds:F1} s");

        var answers = new List<ComparedAnswer>();
        foreach (PlacedNeedle placed in haystack.Needles.Where(placed => asked.Contains(placed.Needle)))
        {
            NeedleAnswer one = quiz.Ask(session, placed), two = quiz.Ask(other, placed);
            answers.Add(new ComparedAnswer(placed.Needle.Kind, placed.Depth, placed.Needle.Question, placed.Needle.Answer, one.Text, two.Text, one.Correct, two.Correct));
        }
        int equal = answers.Count(answer => answer.Text == answer.AgainstText);
        return new NeedleComparison(engine.ModelName, session.Policy.Name, other.Policy.Name, tokens.Length, Math.Round(seconds, 2), answers, equal, answers.Count - equal);
    }

    public void Write(TextWriter writer)
    {
        writer.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{Model}, {Tokens:#,0} tokens read in {ReadSeconds:0.0} s"));
        writer.WriteLine();
        writer.Write(Report.Table(["question", "depth", "expected", Policy, Against], Answers.Select(answer => new[]
        {
            answer.Question, answer.Depth.ToString("0%", CultureInfo.InvariantCulture), answer.Expected, Cell(answer.Text, answer.Correct), Cell(answer.AgainstText, answer.AgainstCorrect),
        })));
        writer.WriteLine();
        writer.WriteLine($"{Equal} equal, {Different} different; right: {Policy} {Answers.Count(a => a.Correct)}, {Against} {Answers.Count(a => a.AgainstCorrect)} of {Answers.Count}");
    }

    private static string Cell(string text, bool correct) => correct ? text : $"{text} (wrong)";
}

internal sealed record ComparedAnswer(
    string Kind, double Depth, string Question, string Expected, string Text, string AgainstText, bool Correct, bool AgainstCorrect);
