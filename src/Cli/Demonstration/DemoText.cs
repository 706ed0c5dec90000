using Retrieval.Evaluation;
using Retrieval.Runtime.Text;

namespace Retrieval.Cli;

/// <summary>The text that the demo reads, as its flags describe it.</summary>
/// <param name="Context">Tokens of the whole prompt: text, question and answer.</param>
/// <param name="Facts">Facts to hide, each of another kind.</param>
/// <param name="Seed">Seed of prose, facts and places.</param>
/// <param name="Source">Text to hide them in; null: prose made from the seed.</param>
internal sealed record DemoText(int Context, int Facts, int Seed, string? Source)
{
    public IReadOnlyList<Needle> Needles() => new NeedleMaker(Seed).OneOfAKind(Facts);

    /// <param name="reserve">Tokens to leave for a question and its answer.</param>
    public Haystack Build(TextTokenizer tokenizer, IReadOnlyList<Needle> needles, int reserve)
    {
        IEnumerable<string> sentences = Source is null ? Prose.Sentences(Seed) : TextUnits.Sentences(Source);
        using var builder = new HaystackBuilder(text => tokenizer.Encode(text).Length, sentences, Seed);
        return builder.Build(needles, Context - reserve);
    }
}
