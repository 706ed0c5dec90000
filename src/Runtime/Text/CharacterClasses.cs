using System.Globalization;

namespace Retrieval.Runtime.Text;

/// <summary>What the pre-tokenizers' expressions tell apart: \p{L}, \p{N}, \s and the rest.</summary>
internal enum CharacterClass : byte
{
    Other,
    Letter,
    Number,
    Space,
}

/// <summary>
/// Classes of whole code points. System.Text.RegularExpressions sees UTF-16 units, so its \p{L} misses every letter outside
/// the basic plane; that is why the expressions are scanned by hand here.
/// </summary>
internal static class CharacterClasses
{
    private static readonly CharacterClass[] BasicPlane = BuildBasicPlane();

    /// <summary>Class of the code point at <paramref name="at"/> and its width in UTF-16 units; past the end: width 0.</summary>
    public static CharacterClass At(ReadOnlySpan<char> text, int at, out int width)
    {
        if (at >= text.Length)
        {
            width = 0;
            return CharacterClass.Other;
        }
        char c = text[at];
        if (char.IsHighSurrogate(c) && at + 1 < text.Length && char.IsLowSurrogate(text[at + 1]))
        {
            width = 2;
            return Of(CharUnicodeInfo.GetUnicodeCategory(char.ConvertToUtf32(c, text[at + 1])));
        }
        width = 1;
        return BasicPlane[c];
    }

    /// <summary>End of the longest run of one class that starts at <paramref name="at"/>, of at most so many code points.</summary>
    public static int RunEnd(ReadOnlySpan<char> text, int at, CharacterClass kind, int most = int.MaxValue)
    {
        for (int i = 0; i < most && At(text, at, out int width) == kind && width > 0; i++)
            at += width;
        return at;
    }

    private static CharacterClass[] BuildBasicPlane()
    {
        var classes = new CharacterClass[char.MaxValue + 1];
        for (int c = 0; c < classes.Length; c++)
            classes[c] = char.IsWhiteSpace((char)c) ? CharacterClass.Space : Of(CharUnicodeInfo.GetUnicodeCategory((char)c));
        return classes;
    }

    private static CharacterClass Of(UnicodeCategory category) => category switch
    {
        UnicodeCategory.UppercaseLetter or UnicodeCategory.LowercaseLetter or UnicodeCategory.TitlecaseLetter
            or UnicodeCategory.ModifierLetter or UnicodeCategory.OtherLetter => CharacterClass.Letter,
        UnicodeCategory.DecimalDigitNumber or UnicodeCategory.LetterNumber or UnicodeCategory.OtherNumber => CharacterClass.Number,
        _ => CharacterClass.Other,
    };
}
