using System.Runtime.CompilerServices;

namespace Retrieval.Runtime.Text.Jinja;

/// <summary>What both parsers do with tokens: look ahead, take, expect, and stay within a nesting depth.</summary>
internal sealed class TokenReader(List<Token> tokens)
{
    // Real templates stay below 20.
    private const int Deepest = 150;

    private int _at;

    private int _depth;

    public Token Current => tokens[_at];

    public int Line => Current.Line;

    public Token Peek() => tokens[Math.Min(_at + 1, tokens.Count - 1)];

    public Token Take()
    {
        Token token = Current;
        if (token.Kind != TokenKind.End)
            _at++;
        return token;
    }

    public bool Accept(TokenKind kind, string text)
    {
        if (!Current.Is(kind, text))
            return false;
        Take();
        return true;
    }

    public bool AcceptOperator(string text) => Accept(TokenKind.Operator, text);

    public bool AcceptName(string text) => Accept(TokenKind.Name, text);

    public void Expect(TokenKind kind, string text)
    {
        if (!Accept(kind, text))
            throw TemplateError.At(Line, $"'{text}' is expected where {Current} is");
    }

    public void ExpectOperator(string text) => Expect(TokenKind.Operator, text);

    public string ExpectName() =>
        Current.Kind == TokenKind.Name ? Take().Text : throw TemplateError.At(Line, $"a name is expected where {Current} is");

    /// <summary>Runs one level of a recursive parser.</summary>
    public T Nested<T>(Func<T> parse)
    {
        if (++_depth > Deepest || !RuntimeHelpers.TryEnsureSufficientExecutionStack())
            throw TemplateError.At(Line, $"the template is nested more than {Deepest} deep");
        T result = parse();
        _depth--;
        return result;
    }
}
