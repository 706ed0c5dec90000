namespace Retrieval.Cli.Tests;

public sealed class UnitsTests
{
    [Theory]
    [InlineData(0, "0 B")]
    [InlineData(1023, "1023 B")]
    [InlineData(1024, "1.00 KiB")]
    [InlineData(23_040, "22.5 KiB")]
    [InlineData(134_217_728, "128 MiB")]
    [InlineData(1L << 40, "1.00 TiB")]
    public void Bytes_have_three_digits(long bytes, string expected) => Assert.Equal(expected, Units.Bytes(bytes));

    [Theory]
    [InlineData(0.0853, "85 ms")]
    [InlineData(12.34, "12.3 s")]
    [InlineData(245, "4m05s")]
    [InlineData(7640, "2h07m")]
    public void Times_have_the_unit_that_matters(double seconds, string expected) => Assert.Equal(expected, Units.Time(TimeSpan.FromSeconds(seconds)));

    [Fact]
    public void Tables_align_numbers_to_the_right()
    {
        var table = new TextTable("", "exact", "full");
        table.Add("index", "0 B", "12 B");
        var text = new StringWriter { NewLine = "\n" };

        table.Write(text);

        Assert.Equal("       exact  full\n------------------\nindex    0 B  12 B\n", text.ToString());
    }
}
