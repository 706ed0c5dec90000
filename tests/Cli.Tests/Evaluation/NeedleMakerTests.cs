using Retrieval.Evaluation;

namespace Retrieval.Cli.Tests.Evaluation;

public sealed class NeedleMakerTests
{
    [Fact]
    public void One_of_a_kind_means_that_kinds_answers_and_names_differ()
    {
        IReadOnlyList<Needle> needles = new NeedleMaker(seed: 5).OneOfAKind(NeedleMaker.Kinds);

        Assert.Equal(NeedleMaker.Kinds, needles.Count);
        Assert.Equal(needles.Count, needles.Select(needle => needle.Kind).Distinct().Count());
        Assert.Equal(needles.Count, needles.Select(needle => needle.Answer).Distinct().Count());
        string[] names = [.. needles.SelectMany(needle => needle.Key.Split(' ', StringSplitOptions.RemoveEmptyEntries))];
        Assert.Equal(names.Length, names.Distinct().Count());
    }

    [Fact]
    public void Needles_of_the_same_kind_have_different_keys_and_some_share_a_name()
    {
        var maker = new NeedleMaker(seed: 6);
        IReadOnlyList<Needle> single = maker.OneOfAKind(20);
        IReadOnlyList<Needle> same = maker.SameKind(70);

        Assert.Single(same.Select(needle => needle.Kind).Distinct());
        Assert.DoesNotContain(single, needle => needle.Kind == same[0].Kind);
        Assert.Equal(90, single.Concat(same).Select(needle => needle.Key + needle.Kind).Distinct().Count());
        Assert.Equal(70, same.Select(needle => needle.Key).Distinct().Count());
        Assert.True(same.Select(needle => needle.Key.Split(' ')[1]).Distinct().Count() < 70);
    }

    [Fact]
    public void A_seed_always_makes_the_same_needles()
    {
        Assert.Equal(new NeedleMaker(1).OneOfAKind(12), new NeedleMaker(1).OneOfAKind(12));
        Assert.NotEqual(new NeedleMaker(1).OneOfAKind(12), new NeedleMaker(2).OneOfAKind(12));
    }

    [Fact]
    public void Every_needle_states_its_answer_and_every_question_names_its_key() =>
        Assert.All(new NeedleMaker(3).OneOfAKind(NeedleMaker.Kinds), needle =>
        {
            Assert.True(needle.IsAnsweredBy(needle.Text));
            Assert.Contains(needle.Key, needle.Question);
            Assert.DoesNotContain(needle.Answer, needle.Question);
        });

    [Theory]
    [InlineData("48213", true)]
    [InlineData(" 48213.", true)]
    [InlineData("It is 48213, I think", true)]
    [InlineData("148213", false)]
    [InlineData("482130 or 48213", true)]
    [InlineData("4821", false)]
    [InlineData("", false)]
    public void Answers_count_as_whole_words(string text, bool right) =>
        Assert.Equal(right, new Needle("", "", "48213", "access code", "Maren Vale").IsAnsweredBy(text));
}
