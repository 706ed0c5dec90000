using Retrieval.Evaluation;
using Retrieval.Runtime;

namespace Retrieval.Cli.Tests.Evaluation;

public sealed class HaystackBuilderTests
{
    [Theory]
    [InlineData(600, 3)]
    [InlineData(4096, 10)]
    [InlineData(50_000, 29)]
    public void Length_is_met_from_below(int tokens, int facts)
    {
        Haystack haystack = Build(tokens, facts, Words);

        Assert.InRange(haystack.Tokens, tokens - 64, tokens);
        Assert.Equal(Words(haystack.Text), haystack.Tokens);
    }

    [Theory]
    [InlineData(2)]
    [InlineData(-2)]
    public void Length_is_met_although_sentences_do_not_add_up(int error)
    {
        // A tokenizer for which a sentence by itself counts more or less than within the text.
        Haystack haystack = Build(8000, 10, text => Words(text) + (text.Length < 1000 ? error : 0));

        Assert.InRange(haystack.Tokens, 8000 - 64, 8000);
    }

    [Fact]
    public void Every_needle_is_there_once_and_every_stretch_has_one()
    {
        Haystack haystack = Build(20_000, 20, Words);

        Assert.Equal(20, haystack.Needles.Count);
        Assert.All(haystack.Needles, placed => Assert.Equal(2, haystack.Text.Split(placed.Needle.Text).Length));
        for (int i = 0; i < 20; i++)
            Assert.InRange(haystack.Needles[i].Depth, i / 20.0, (i + 1.2) / 20);
        Assert.Equal(haystack.Needles.OrderBy(placed => haystack.Text.IndexOf(placed.Needle.Text, StringComparison.Ordinal)), haystack.Needles);
    }

    [Fact]
    public void Needles_stand_at_the_depths_that_are_wanted()
    {
        IReadOnlyList<Needle> needles = new NeedleMaker(seed: 1).OneOfAKind(6);
        double[] depths = [1, 0.5, 0, 0.25, 0.5, 0.51];
        using var builder = new HaystackBuilder(Words, Prose.Sentences(seed: 1), seed: 1);

        Haystack haystack = builder.Build(needles, depths, 20_000);

        Assert.InRange(haystack.Tokens, 20_000 - 64, 20_000);
        Assert.Equal([2, 3, 1, 4, 5, 0], haystack.Needles.Select(placed => needles.ToList().IndexOf(placed.Needle)));
        Assert.Equal(haystack.Needles.OrderBy(placed => haystack.Text.IndexOf(placed.Needle.Text, StringComparison.Ordinal)), haystack.Needles);
        // A sentence may be begun.
        Assert.All(haystack.Needles, placed => Assert.InRange(placed.Depth, depths[needles.ToList().IndexOf(placed.Needle)], depths[needles.ToList().IndexOf(placed.Needle)] + 0.01));
        Assert.EndsWith(needles[0].Text, haystack.Text);
    }

    [Fact]
    public void A_line_beside_another_needle_stands_alone()
    {
        IReadOnlyList<Needle> needles = new NeedleMaker(seed: 1).OneOfAKind(4);
        using var builder = new HaystackBuilder(Words, Prose.Sentences(seed: 1), seed: 1);

        Haystack haystack = builder.Build(needles, [0.5, 0.5, 0.5, 0.5], 4000);

        Assert.Contains($"\n\n{needles.Single(needle => needle.OwnParagraph).Text}\n\n", haystack.Text);
    }

    [Fact]
    public void A_line_stands_alone()
    {
        Haystack haystack = Build(4000, 3, Words);
        Needle line = haystack.Needles.Single(placed => placed.Needle.OwnParagraph).Needle;

        Assert.Contains($"\n\n{line.Text}\n\n", haystack.Text);
    }

    [Fact]
    public void The_order_of_kinds_depends_on_the_seed()
    {
        string[] Order(int seed)
        {
            using var builder = new HaystackBuilder(Words, Prose.Sentences(1), seed);
            return [.. builder.Build(new NeedleMaker(1).OneOfAKind(10), 4000).Needles.Select(placed => placed.Needle.Kind)];
        }

        Assert.Equal(Order(1), Order(1));
        Assert.NotEqual(Order(1), Order(2));
    }

    [Fact]
    public void A_source_that_ends_is_reported()
    {
        using var builder = new HaystackBuilder(Words, ["Only one sentence."], 1);

        InputException error = Assert.Throws<InputException>(() => builder.Build(new NeedleMaker(1).OneOfAKind(1), 500));
        Assert.Contains("has only 3 tokens", error.Message);
    }

    private static Haystack Build(int tokens, int facts, Func<string, int> count)
    {
        using var builder = new HaystackBuilder(count, Prose.Sentences(seed: 1), seed: 1);
        return builder.Build(new NeedleMaker(seed: 1).OneOfAKind(facts), tokens);
    }

    private static int Words(string text) => text.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries).Length;
}
