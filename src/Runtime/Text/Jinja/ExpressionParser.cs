namespace Retrieval.Runtime.Text.Jinja;

/// <summary>Expressions, in Jinja's order of precedence: conditional, or, and, not, comparison, + −, ~, * / // %, **, unary, postfix.</summary>
internal sealed partial class ExpressionParser(TokenReader tokens)
{
    private static readonly string[] Comparisons = ["==", "!=", "<", ">", "<=", ">="];

    /// <summary>An expression, or a tuple of them without parentheses.</summary>
    public Expression ParseTuple()
    {
        int line = tokens.Line;
        Expression first = Parse();
        if (!tokens.Current.Is(TokenKind.Operator, ","))
            return first;
        List<Expression> items = [first];
        while (tokens.AcceptOperator(",") && !tokens.Current.Is(TokenKind.Operator, ")") && tokens.Current.Kind != TokenKind.Close)
            items.Add(Parse());
        return new ListLiteral(line, items);
    }

    public Expression Parse() => tokens.Nested(ParseConditional);

    /// <summary>Without a conditional: the items of a for, whose "if" is the loop's own.</summary>
    public Expression ParseOr() => Chain(["or"], names: true, ParseAnd);

    private Expression ParseConditional()
    {
        Expression value = ParseOr();
        while (tokens.Current.Is(TokenKind.Name, "if"))
        {
            int line = tokens.Take().Line;
            Expression test = ParseOr();
            value = new Conditional(line, test, value, tokens.AcceptName("else") ? Parse() : null);
        }
        return value;
    }

    private Expression ParseAnd() => Chain(["and"], names: true, ParseNot);

    private Expression ParseNot()
    {
        int line = tokens.Line;
        return tokens.AcceptName("not") ? new Unary(line, "not", tokens.Nested(ParseNot)) : ParseComparison();
    }

    private Expression ParseComparison()
    {
        int line = tokens.Line;
        Expression first = ParseSum();
        List<(string, Expression)> rest = [];
        while (true)
        {
            if (tokens.Current.Kind == TokenKind.Operator && Comparisons.Contains(tokens.Current.Text))
                rest.Add((tokens.Take().Text, ParseSum()));
            else if (tokens.AcceptName("in"))
                rest.Add(("in", ParseSum()));
            else if (tokens.Current.Is(TokenKind.Name, "not") && tokens.Peek().Is(TokenKind.Name, "in"))
            {
                tokens.Take();
                tokens.Take();
                rest.Add(("not in", ParseSum()));
            }
            else
                return rest.Count == 0 ? first : new Comparison(line, first, rest);
        }
    }

    private Expression ParseSum() => Chain(["+", "-"], names: false, ParseConcatenation);

    private Expression ParseConcatenation() => Chain(["~"], names: false, ParseProduct);

    private Expression ParseProduct() => Chain(["*", "/", "//", "%"], names: false, ParsePower);

    private Expression ParsePower() => Chain(["**"], names: false, () => ParseUnary());

    private Expression Chain(string[] operators, bool names, Func<Expression> next)
    {
        Expression left = next();
        while (tokens.Current.Kind == (names ? TokenKind.Name : TokenKind.Operator) && operators.Contains(tokens.Current.Text))
        {
            Token op = tokens.Take();
            left = new Binary(op.Line, op.Text, left, next());
        }
        return left;
    }

    private Expression ParseUnary(bool filters = true)
    {
        int line = tokens.Line;
        Expression value = tokens.AcceptOperator("-") ? new Unary(line, "-", tokens.Nested(() => ParseUnary(false)))
            : tokens.AcceptOperator("+") ? new Unary(line, "+", tokens.Nested(() => ParseUnary(false)))
            : ParsePrimary();
        value = ParsePostfix(value);
        return filters ? ParseFilters(value) : value;
    }
}
