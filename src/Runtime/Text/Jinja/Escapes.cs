using System.Globalization;
using System.Text;

namespace Retrieval.Runtime.Text.Jinja;

/// <summary>Backslash sequences of Python string literals; an unknown one stays as it is written.</summary>
internal static class Escapes
{
    public static string Resolve(ReadOnlySpan<char> text)
    {
        if (!text.Contains('\\'))
            return text.ToString();
        StringBuilder result = new(text.Length);
        for (int i = 0; i < text.Length; i++)
        {
            if (text[i] != '\\' || i + 1 == text.Length)
            {
                result.Append(text[i]);
                continue;
            }
            char c = text[++i];
            int digits = c switch { 'x' => 2, 'u' => 4, 'U' => 8, _ => 0 };
            if (digits > 0 && i + digits < text.Length
                && int.TryParse(text.Slice(i + 1, digits), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out int code)
                && code is >= 0 and <= 0x10FFFF)
            {
                result.Append(code <= char.MaxValue ? ((char)code).ToString() : char.ConvertFromUtf32(code));
                i += digits;
                continue;
            }
            _ = c switch
            {
                'n' => result.Append('\n'),
                't' => result.Append('\t'),
                'r' => result.Append('\r'),
                'b' => result.Append('\b'),
                'f' => result.Append('\f'),
                'v' => result.Append('\v'),
                'a' => result.Append('\a'),
                '0' => result.Append('\0'),
                '\n' => result,
                '\\' or '\'' or '"' => result.Append(c),
                _ => result.Append('\\').Append(c),
            };
        }
        return result.ToString();
    }
}
