using Retrieval.Cli.Flags;

namespace Retrieval.Cli.Tests.Flags;

public sealed class NumbersTests
{
    [Theory]
    [InlineData("8192", 8192)]
    [InlineData("0", 0)]
    [InlineData("128k", 131072)]
    [InlineData("1M", 1048576)]
    [InlineData("0.5m", 524288)]
    public void Token_counts_have_units(string text, int expected) => Assert.Equal(expected, Numbers.Tokens(text));

    [Theory]
    [InlineData("")]
    [InlineData("k")]
    [InlineData("-1")]
    [InlineData("1.5")]
    [InlineData("12q")]
    [InlineData("4000m")]
    [InlineData("1,000")]
    public void What_is_no_token_count_is_refused(string text) => Assert.Throws<FormatException>(() => Numbers.Tokens(text));
}
