using Retrieval.Evaluation;

namespace Retrieval.Cli.Tests.Evaluation;

public sealed class ProseTests
{
    [Fact]
    public void Prose_is_varied_and_free_of_what_needles_are_made_of()
    {
        string[] sentences = [.. Prose.Sentences(seed: 1).Take(5000)];
        string text = string.Concat(sentences);

        Assert.True(sentences.Distinct().Count() > 4500, $"{sentences.Distinct().Count()} different sentences of 5,000");
        Assert.DoesNotContain(text, char.IsAsciiDigit);
        Assert.DoesNotContain('[', text);
        Assert.DoesNotContain("favourite", text);
        Assert.DoesNotContain(" code", text);
        Assert.DoesNotContain("number", text);
    }

    [Fact]
    public void Sentences_begin_with_capitals_and_end_with_a_mark() =>
        Assert.All(Prose.Sentences(seed: 2).Take(2000), sentence =>
        {
            Assert.True(char.IsUpper(sentence.First(char.IsLetter)), sentence);
            Assert.Contains(sentence[^1], ".?!\"");
            Assert.DoesNotContain("  ", sentence);
        });

    [Fact]
    public void A_seed_always_makes_the_same_prose() =>
        // The demo's answers are promised for the texts of its default seed: a change of words must be deliberate.
        Assert.Equal("There was a crooked trunk in the passage", Prose.Sentences(seed: 1).First()[..40]);

    [Fact]
    public void Cut_text_concatenates_to_itself()
    {
        const string Text = "One. \"Two!\" said he.\nThree?  Mr. X. had none\n\n* * *\n\nA heading\n\nThe end";

        string[] sentences = [.. TextUnits.Sentences(Text)];

        Assert.Equal(Text, string.Concat(sentences));
        Assert.True(sentences.Length > 6);
    }
}
