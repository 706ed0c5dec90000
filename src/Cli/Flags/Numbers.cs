using System.Globalization;

namespace Retrieval.Cli.Flags;

/// <summary>Numbers as people write them on command lines.</summary>
internal static class Numbers
{
    /// <summary>A token count: 131072, 128k (× 1,024) or 1m (× 1,048,576).</summary>
    public static int Tokens(string value)
    {
        long unit = value.Length == 0 ? 1 : char.ToLowerInvariant(value[^1]) switch
        {
            'k' => 1024,
            'm' => 1024 * 1024,
            _ => 1,
        };
        string digits = unit == 1 ? value : value[..^1];
        if (double.TryParse(digits, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out double number)
            && number * unit == Math.Floor(number * unit) && number * unit is >= 0 and <= int.MaxValue)
            return (int)(number * unit);
        throw new FormatException("a number of tokens such as 8192, 128k or 1m");
    }

    public static int Int(string value, int least, int most = int.MaxValue) =>
        int.TryParse(value, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out int number) && number >= least && number <= most
            ? number
            : throw new FormatException(most == int.MaxValue ? $"a whole number, {least} or more" : $"a whole number from {least} to {most}");

    public static float Float(string value) =>
        float.TryParse(value, NumberStyles.Float, CultureInfo.InvariantCulture, out float number) && float.IsFinite(number)
            ? number
            : throw new FormatException("a number such as 0.8");
}
