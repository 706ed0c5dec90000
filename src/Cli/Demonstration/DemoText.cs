using Retrieval.Evaluation;
using Retrieval.Runtime.Text;

namespace Retrieval.Cli;

/// <summary>The text that the demo reads, as its flags describe it.</summary>
/// <param name="Context">Tokens of the whole prompt: text, question and answer.</param>
/// <param name="Facts">Facts to hide, each of another kind; all are asked for.</param>
/// <param name="SameKind">Facts of one further kind, each other's distractors; null: <see cref="UsualSameKind"/> in a long text, none in a short one.</param>
/// <param name="Seed">Seed of prose, facts and places.</param>
/// <param name="Source">Text to hide them in; null: prose made from the seed.</param>
internal sealed record DemoText(int Context, int Facts, int? SameKind, int Seed, string? Source)
{
    public const int UsualSameKind = 60;

    /// <summary>Of the facts of one kind, so many are asked for.</summary>
    public const int SameKindAsked = 10;

    // In shorter texts facts of one kind would be a large part of the text.
    private const int LongText = 32_768;

    public (IReadOnlyList<Needle> OneOfAKind, IReadOnlyList<Needle> SameKind) Needles()
    {
        var maker = new NeedleMaker(Seed);
        return (maker.OneOfAKind(Facts), maker.SameKind(SameKind ?? (Context >= LongText ? UsualSameKind : 0)));
    }

    /// <param name="reserve">Tokens to leave for a question and its answer.</param>
    public Haystack Build(TextTokenizer tokenizer, IReadOnlyList<Needle> needles, int reserve)
    {
        IEnumerable<string> sentences = Source is null ? Prose.Sentences(Seed) : TextUnits.Sentences(Source);
        using var builder = new HaystackBuilder(text => tokenizer.Encode(text).Length, sentences, Seed);
        return builder.Build(needles, Context - reserve);
    }
}
