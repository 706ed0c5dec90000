namespace Retrieval.Runtime.Text.Jinja;

/// <summary>
/// Cuts a template into tokens with the settings Hugging Face renders chat templates with: trim_blocks (a line break right
/// after a block tag goes), lstrip_blocks (blanks between a line's start and a block tag go), no line break at the very end.
/// </summary>
internal sealed class Lexer
{
    private static readonly string[] Operators =
        ["==", "!=", "<=", ">=", "//", "**", "<", ">", "+", "-", "*", "/", "%", "~", "|", ".", ",", ":", "=", "(", ")", "[", "]", "{", "}"];

    private readonly List<Token> _tokens = [];

    private readonly string _source;

    private int _at;

    private int _line = 1;

    private Lexer(string source) => _source = source;

    public static List<Token> Read(string source)
    {
        source = source.ReplaceLineEndings("\n");
        var lexer = new Lexer(source.EndsWith('\n') ? source[..^1] : source);
        lexer.Read();
        return lexer._tokens;
    }

    private void Read()
    {
        // What the tag before this text takes from its start.
        bool stripStart = false, trimBreak = false;
        while (true)
        {
            int open = NextTag();
            string text = _source[_at..open];
            char kind = open < _source.Length ? _source[open + 1] : ' ';
            char sign = open + 2 < _source.Length ? _source[open + 2] : ' ';
            _tokens.Add(new Token(TokenKind.Text, Trim(text, _at == 0, kind, sign, stripStart, trimBreak), _line));
            Advance(open);
            if (open == _source.Length)
                break;
            if (kind == '#')
                (stripStart, trimBreak) = SkipComment();
            else if (IsRaw(open))
                (stripStart, trimBreak) = ReadRaw();
            else
                (stripStart, trimBreak) = ReadTag(kind, sign is '-' or '+');
        }
        _tokens.Add(new Token(TokenKind.End, "", _line));
    }

    private static string Trim(string text, bool atStart, char kind, char sign, bool stripStart, bool trimBreak)
    {
        // "Starting" is: nothing but what the text itself holds stands before it in its line.
        bool starting = atStart;
        if (stripStart)
            text = text.TrimStart();
        else if (trimBreak && text.StartsWith('\n'))
            (text, starting) = (text[1..], true);
        if (sign == '-' && kind != ' ')
            return text.TrimEnd();
        if (kind is not ('%' or '#') || sign == '+')
            return text;
        int lineStart = text.LastIndexOf('\n') + 1;
        return (lineStart > 0 || starting) && string.IsNullOrWhiteSpace(text[lineStart..]) ? text[..lineStart] : text;
    }

    private int NextTag()
    {
        for (int i = _at; i + 1 < _source.Length; i++)
        {
            int skip = _source.AsSpan(i).IndexOf('{');
            if (skip < 0)
                break;
            i += skip;
            if (i + 1 < _source.Length && _source[i + 1] is '{' or '%' or '#')
                return i;
        }
        return _source.Length;
    }

    private (bool Strip, bool Trim) SkipComment()
    {
        int line = _line, end = _source.IndexOf("#}", _at + 2, StringComparison.Ordinal);
        if (end < 0)
            throw Bad(line, "a comment '{#' is never closed");
        char sign = end > _at + 2 ? _source[end - 1] : ' ';
        Advance(end + 2);
        return (sign == '-', sign != '+');
    }

    private bool IsRaw(int open)
    {
        ReadOnlySpan<char> tag = _source.AsSpan(open);
        return tag.StartsWith("{%") && tag[2..].TrimStart("-+").TrimStart() is var name && name.StartsWith("raw")
            && name[3..].TrimStart().TrimStart("-+").StartsWith("%}");
    }

    private (bool Strip, bool Trim) ReadRaw()
    {
        int line = _line, start = _source.IndexOf("%}", _at, StringComparison.Ordinal) + 2;
        bool stripAfterOpen = _source[start - 3] == '-';
        for (int end = start; (end = _source.IndexOf("{%", end, StringComparison.Ordinal)) >= 0; end += 2)
        {
            int name = end + 2;
            while (name < _source.Length && (_source[name] is '-' or '+' || char.IsWhiteSpace(_source[name])))
                name++;
            int close = _source.IndexOf("%}", name, StringComparison.Ordinal);
            if (close < 0 || _source[name..close].TrimEnd('-', '+').Trim() != "endraw")
                continue;
            string text = Trim(_source[start..end], false, '%', _source[end + 2], stripAfterOpen, trimBreak: false);
            _tokens.Add(new Token(TokenKind.Text, text, line));
            Advance(close + 2);
            return (_source[close - 1] == '-', _source[close - 1] != '+');
        }
        throw Bad(line, "'raw' is never closed by 'endraw'");
    }

    private (bool Strip, bool Trim) ReadTag(char kind, bool signed)
    {
        string close = kind == '{' ? "}}" : "%}";
        _tokens.Add(new Token(TokenKind.Open, _source.Substring(_at, 2), _line));
        Advance(_at + (signed ? 3 : 2));
        int braces = 0;
        while (true)
        {
            while (_at < _source.Length && char.IsWhiteSpace(_source[_at]))
                Advance(_at + 1);
            ReadOnlySpan<char> rest = _source.AsSpan(_at);
            if (rest.Length == 0)
                throw Bad(_line, $"a tag is never closed by '{close}'");
            char sign = rest[0] is '-' or '+' && rest[1..].StartsWith(close) ? rest[0] : ' ';
            if (braces == 0 && (sign != ' ' || rest.StartsWith(close)))
            {
                _tokens.Add(new Token(TokenKind.Close, close, _line));
                Advance(_at + (sign == ' ' ? 2 : 3));
                return (sign == '-', kind == '%' && sign != '+');
            }
            Token token = ReadToken();
            braces += token.Is(TokenKind.Operator, "{") ? 1 : token.Is(TokenKind.Operator, "}") ? -1 : 0;
            _tokens.Add(token);
        }
    }

    private Token ReadToken()
    {
        char c = _source[_at];
        int start = _at, line = _line;
        if (c is '\'' or '"')
            return new Token(TokenKind.String, ReadString(c), line);
        if (char.IsLetter(c) || c == '_')
        {
            Advance(RunEnd(ch => char.IsLetterOrDigit(ch) || ch == '_'));
            return new Token(TokenKind.Name, _source[start.._at], line);
        }
        if (char.IsAsciiDigit(c))
            return ReadNumber(start, line);
        foreach (string op in Operators)
        {
            if (string.CompareOrdinal(_source, _at, op, 0, op.Length) == 0)
            {
                Advance(_at + op.Length);
                return new Token(TokenKind.Operator, op, line);
            }
        }
        throw Bad(line, $"the character '{c}' has no meaning in a tag");
    }

    private Token ReadNumber(int start, int line)
    {
        Advance(RunEnd(c => char.IsAsciiDigit(c) || c == '_'));
        bool fraction = _at + 1 < _source.Length && _source[_at] == '.' && char.IsAsciiDigit(_source[_at + 1]);
        if (fraction)
        {
            _at++;
            Advance(RunEnd(char.IsAsciiDigit));
        }
        return new Token(fraction ? TokenKind.Float : TokenKind.Integer, _source[start.._at].Replace("_", ""), line);
    }

    private string ReadString(char quote)
    {
        int line = _line, end = _at + 1;
        while (end < _source.Length && _source[end] != quote)
            end += _source[end] == '\\' ? 2 : 1;
        if (end >= _source.Length)
            throw Bad(line, "a string is never closed");
        string text = Escapes.Resolve(_source.AsSpan(_at + 1, end - _at - 1));
        Advance(end + 1);
        return text;
    }

    private int RunEnd(Func<char, bool> part)
    {
        int end = _at;
        while (end < _source.Length && part(_source[end]))
            end++;
        return end;
    }

    private void Advance(int to)
    {
        _line += _source.AsSpan(_at, to - _at).Count('\n');
        _at = to;
    }

    private static InputException Bad(int line, string problem) => TemplateError.At(line, problem);
}
