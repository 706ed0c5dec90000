namespace Retrieval.Runtime.Text.Jinja;

/// <summary>A part of a parsed template; lines count from 1.</summary>
internal abstract record Node(int Line);

internal abstract record Expression(int Line) : Node(Line);

internal sealed record Literal(int Line, object? Value) : Expression(Line);

internal sealed record Name(int Line, string Text) : Expression(Line);

internal sealed record ListLiteral(int Line, IReadOnlyList<Expression> Items) : Expression(Line);

internal sealed record MapLiteral(int Line, IReadOnlyList<(Expression Key, Expression Value)> Items) : Expression(Line);

internal sealed record Unary(int Line, string Operator, Expression Operand) : Expression(Line);

/// <summary>Arithmetic, ~, and, or.</summary>
internal sealed record Binary(int Line, string Operator, Expression Left, Expression Right) : Expression(Line);

/// <summary>a &lt; b &lt;= c: every neighbouring pair holds.</summary>
internal sealed record Comparison(int Line, Expression First, IReadOnlyList<(string Operator, Expression Right)> Rest) : Expression(Line);

internal sealed record Conditional(int Line, Expression Test, Expression Then, Expression? Else) : Expression(Line);

internal sealed record Attribute(int Line, Expression Target, string Text) : Expression(Line);

internal sealed record Subscript(int Line, Expression Target, Expression Index) : Expression(Line);

internal sealed record Slice(int Line, Expression Target, Expression? Start, Expression? Stop, Expression? Step) : Expression(Line);

internal sealed record Call(int Line, Expression Target, Arguments Arguments) : Expression(Line);

internal sealed record Filter(int Line, Expression Target, string Text, Arguments Arguments) : Expression(Line);

internal sealed record Test(int Line, Expression Target, string Text, bool Negated, Arguments Arguments) : Expression(Line);

internal sealed record Arguments(IReadOnlyList<Expression> Positional, IReadOnlyList<(string Name, Expression Value)> Named)
{
    public static readonly Arguments None = new([], []);
}

internal abstract record Statement(int Line) : Node(Line);

internal sealed record Output(int Line, Expression Value) : Statement(Line);

internal sealed record If(int Line, IReadOnlyList<(Expression Test, IReadOnlyList<Statement> Body)> Branches, IReadOnlyList<Statement> Else)
    : Statement(Line);

internal sealed record For(
    int Line, IReadOnlyList<string> Targets, Expression Items, Expression? Where, IReadOnlyList<Statement> Body, IReadOnlyList<Statement> Else)
    : Statement(Line);

/// <summary>set a = x, set a, b = x, or set ns.a = x (then <paramref name="Member"/> is the member of the first target).</summary>
internal sealed record Set(int Line, IReadOnlyList<string> Targets, string? Member, Expression Value) : Statement(Line);

/// <summary>set a … endset; the value is what the body writes, after the filters.</summary>
internal sealed record BlockSet(int Line, string Target, Expression Filters, IReadOnlyList<Statement> Body) : Statement(Line);

internal sealed record MacroDefinition(
    int Line, string Text, IReadOnlyList<(string Name, Expression? Default)> Parameters, IReadOnlyList<Statement> Body) : Statement(Line);

/// <summary>generation … endgeneration: marks what the assistant wrote and changes nothing.</summary>
internal sealed record Block(int Line, IReadOnlyList<Statement> Body) : Statement(Line);

/// <summary>break or continue.</summary>
internal sealed record Jump(int Line, bool Leaves) : Statement(Line);
