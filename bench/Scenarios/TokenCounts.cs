using System.Globalization;
using Retrieval.Runtime;

namespace Retrieval.Scenarios;

/// <summary>Lists of token counts as people write them: 512, 128k (× 1,024), 1m (× 1,048,576); an empty text is an empty list.</summary>
internal static class TokenCounts
{
    /// <exception cref="InputException">Something is not a count of at least <paramref name="least"/>.</exception>
    public static int[] Parse(string list, int least, string flag)
    {
        long[] counts = [.. list.Split(',', StringSplitOptions.RemoveEmptyEntries).Select(Count)];
        return counts.All(count => count >= least && count <= int.MaxValue)
            ? [.. counts.Select(count => (int)count)]
            : throw new InputException($"{flag} is '{list}'; give numbers of tokens, {least} or more, such as 512,4096,128k.");
    }

    private static long Count(string text)
    {
        string item = text.Trim().ToLowerInvariant();
        long unit = item.EndsWith('k') ? 1024 : item.EndsWith('m') ? 1024 * 1024 : 1;
        return int.TryParse(unit == 1 ? item : item[..^1], NumberStyles.None, CultureInfo.InvariantCulture, out int number) ? number * unit : 0;
    }
}
