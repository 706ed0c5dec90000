namespace Retrieval.Runtime.Text;

/// <summary>
/// One step of a pre-tokenizer: cuts text into the pieces inside which merging happens. Every step is a hand-written scanner
/// of a known expression, in linear time; expressions from files are never run.
/// </summary>
internal abstract class Cutter
{
    /// <summary>End of the piece that starts at <paramref name="start"/>, which is before the end of the text.</summary>
    public abstract int PieceEnd(ReadOnlySpan<char> text, int start);

    /// <summary>Length of 's 't 'm 'd 're 've 'll at a place, else 0.</summary>
    protected static int Contraction(ReadOnlySpan<char> text, int at, bool anyCase)
    {
        if (text[at] != '\'' || at + 1 >= text.Length)
            return 0;
        char first = Fold(text[at + 1], anyCase);
        if (first is 's' or 't' or 'm' or 'd')
            return 2;
        if (at + 2 >= text.Length)
            return 0;
        char second = Fold(text[at + 2], anyCase);
        return (first, second) is ('r', 'e') or ('v', 'e') or ('l', 'l') ? 3 : 0;
    }

    // U+017F, the long s, is the one letter outside ASCII that case folding takes to one of these.
    private static char Fold(char c, bool anyCase) =>
        !anyCase ? c : c == '\u017F' ? 's' : c is >= 'A' and <= 'Z' ? (char)(c | 0x20) : c;

    /// <summary>\s+(?!\S)|\s+ : a run of white space leaves its last character to the word that follows.</summary>
    protected static int SpaceEnd(ReadOnlySpan<char> text, int start)
    {
        int end = CharacterClasses.RunEnd(text, start, CharacterClass.Space);
        return end < text.Length && end - start > 1 ? end - 1 : end;
    }
}

/// <summary>GPT-2: 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+</summary>
internal sealed class Gpt2Cutter : Cutter
{
    public const string Expression = @"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";

    public override int PieceEnd(ReadOnlySpan<char> text, int start)
    {
        int contraction = Contraction(text, start, anyCase: false);
        if (contraction > 0)
            return start + contraction;
        int word = text[start] == ' ' ? start + 1 : start;
        CharacterClass kind = CharacterClasses.At(text, word, out int width);
        return width > 0 && kind != CharacterClass.Space ? CharacterClasses.RunEnd(text, word, kind) : SpaceEnd(text, start);
    }
}

/// <summary>
/// Llama 3 and Qwen 2: a letter run takes one leading character that is no letter, number or line break; numbers come in
/// groups of at most <paramref name="digits"/>; white space ends at its last line break.
/// </summary>
internal sealed class Llama3Cutter(int digits) : Cutter
{
    private const string Head = @"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|";

    private const string Tail = @"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

    /// <summary>With numbers in groups of up to three.</summary>
    public const string Llama3Expression = Head + @"\p{N}{1,3}" + Tail;

    /// <summary>With every digit alone.</summary>
    public const string Qwen2Expression = Head + @"\p{N}" + Tail;

    public override int PieceEnd(ReadOnlySpan<char> text, int start)
    {
        int contraction = Contraction(text, start, anyCase: true);
        if (contraction > 0)
            return start + contraction;
        CharacterClass kind = CharacterClasses.At(text, start, out int width);
        if (kind == CharacterClass.Letter)
            return CharacterClasses.RunEnd(text, start, kind);
        if (kind == CharacterClass.Number)
            return CharacterClasses.RunEnd(text, start, kind, digits);
        if (text[start] is not ('\r' or '\n') && CharacterClasses.At(text, start + width, out _) == CharacterClass.Letter)
            return CharacterClasses.RunEnd(text, start + width, CharacterClass.Letter);
        int other = text[start] == ' ' ? start + 1 : start;
        if (CharacterClasses.At(text, other, out int otherWidth) == CharacterClass.Other && otherWidth > 0)
        {
            int end = CharacterClasses.RunEnd(text, other, CharacterClass.Other);
            while (end < text.Length && text[end] is '\r' or '\n')
                end++;
            return end;
        }
        int spaces = CharacterClasses.RunEnd(text, start, CharacterClass.Space);
        int lastBreak = text[start..spaces].LastIndexOfAny('\r', '\n');
        return lastBreak >= 0 ? start + lastBreak + 1 : SpaceEnd(text, start);
    }
}

/// <summary>Numbers apart from everything else, each digit alone or whole runs.</summary>
internal sealed class DigitCutter(bool individual) : Cutter
{
    public override int PieceEnd(ReadOnlySpan<char> text, int start)
    {
        int end = CharacterClasses.RunEnd(text, start, CharacterClass.Number, individual ? 1 : int.MaxValue);
        if (end > start)
            return end;
        while (CharacterClasses.At(text, end, out int width) != CharacterClass.Number && width > 0)
            end += width;
        return end;
    }
}

/// <summary>Before every ▁: the piece begins with the mark that stands for the space (Metaspace with split).</summary>
internal sealed class MetaspaceCutter(char mark) : Cutter
{
    public override int PieceEnd(ReadOnlySpan<char> text, int start)
    {
        int next = text[(start + 1)..].IndexOf(mark);
        return next < 0 ? text.Length : start + 1 + next;
    }
}

/// <summary>After every occurrence of a text, which stays with what is before it (Split, MergedWithPrevious).</summary>
internal sealed class AfterCutter(string mark) : Cutter
{
    public override int PieceEnd(ReadOnlySpan<char> text, int start)
    {
        int next = text[start..].IndexOf(mark, StringComparison.Ordinal);
        return next < 0 ? text.Length : start + next + mark.Length;
    }
}
