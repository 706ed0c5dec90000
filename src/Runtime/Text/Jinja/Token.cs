namespace Retrieval.Runtime.Text.Jinja;

internal enum TokenKind
{
    /// <summary>Text outside of tags.</summary>
    Text,

    /// <summary>{{ or {%; the text says which.</summary>
    Open,

    /// <summary>}} or %}.</summary>
    Close,
    Name,
    String,
    Integer,
    Float,
    Operator,
    End,
}

internal readonly record struct Token(TokenKind Kind, string Text, int Line)
{
    public bool Is(TokenKind kind, string text) => Kind == kind && Text == text;

    public override string ToString() => Kind == TokenKind.End ? "the end of the template" : $"'{Text}'";
}
