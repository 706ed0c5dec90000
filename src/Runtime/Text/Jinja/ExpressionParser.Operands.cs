using System.Globalization;

namespace Retrieval.Runtime.Text.Jinja;

/// <summary>Operands: literals, and what follows a value (members, calls, filters and tests).</summary>
internal sealed partial class ExpressionParser
{
    private Expression ParsePrimary()
    {
        Token token = tokens.Take();
        int line = token.Line;
        switch (token.Kind)
        {
            case TokenKind.Name:
                return token.Text switch
                {
                    "true" or "True" => new Literal(line, true),
                    "false" or "False" => new Literal(line, false),
                    "none" or "None" => new Literal(line, null),
                    var name => new Name(line, name),
                };
            case TokenKind.String:
                string text = token.Text;
                while (tokens.Current.Kind == TokenKind.String)
                    text += tokens.Take().Text;
                return new Literal(line, text);
            case TokenKind.Integer when long.TryParse(token.Text, NumberStyles.None, CultureInfo.InvariantCulture, out long integer):
                return new Literal(line, integer);
            case TokenKind.Float:
                return new Literal(line, double.Parse(token.Text, CultureInfo.InvariantCulture));
            case TokenKind.Operator when token.Text == "(":
                if (tokens.AcceptOperator(")"))
                    return new ListLiteral(line, []);
                Expression inner = ParseTuple();
                tokens.ExpectOperator(")");
                return inner;
            case TokenKind.Operator when token.Text == "[":
                return new ListLiteral(line, Items("]", Parse));
            case TokenKind.Operator when token.Text == "{":
                return new MapLiteral(line, Items("}", ParsePair));
            default:
                throw TemplateError.At(line, $"a value is expected where {token} is");
        }
    }

    private (Expression, Expression) ParsePair()
    {
        Expression key = Parse();
        tokens.ExpectOperator(":");
        return (key, Parse());
    }

    private List<T> Items<T>(string close, Func<T> parse)
    {
        List<T> items = [];
        while (!tokens.AcceptOperator(close))
        {
            if (items.Count > 0)
            {
                tokens.ExpectOperator(",");
                if (tokens.AcceptOperator(close))
                    break;
            }
            items.Add(parse());
        }
        return items;
    }

    private Expression ParsePostfix(Expression value)
    {
        while (true)
        {
            int line = tokens.Line;
            if (tokens.AcceptOperator("."))
                value = tokens.Current.Kind == TokenKind.Integer
                    ? new Subscript(line, value, ParsePrimary())
                    : new Attribute(line, value, tokens.ExpectName());
            else if (tokens.AcceptOperator("["))
                value = ParseSubscript(line, value);
            else if (tokens.AcceptOperator("("))
                value = new Call(line, value, ParseArguments());
            else
                return value;
        }
    }

    private Expression ParseSubscript(int line, Expression target)
    {
        Expression? Part() => tokens.Current.Kind == TokenKind.Operator && tokens.Current.Text is ":" or "]" ? null : Parse();
        Expression? start = Part();
        if (start is not null && tokens.AcceptOperator("]"))
            return new Subscript(line, target, start);
        tokens.ExpectOperator(":");
        Expression? stop = Part();
        Expression? step = tokens.AcceptOperator(":") ? Part() : null;
        tokens.ExpectOperator("]");
        return new Slice(line, target, start, stop, step);
    }

    private Arguments ParseArguments()
    {
        List<Expression> positional = [];
        List<(string, Expression)> named = [];
        Items<object?>(")", () =>
        {
            if (tokens.Current.Kind == TokenKind.Operator && tokens.Current.Text is "*" or "**")
                throw TemplateError.At(tokens.Line, $"unpacked arguments ('{tokens.Current.Text}') are not supported");
            if (tokens.Current.Kind == TokenKind.Name && tokens.Peek().Is(TokenKind.Operator, "="))
            {
                string name = tokens.Take().Text;
                tokens.Take();
                named.Add((name, Parse()));
            }
            else
                positional.Add(Parse());
            return null;
        });
        return new Arguments(positional, named);
    }

    public Expression ParseFilters(Expression value)
    {
        while (true)
        {
            int line = tokens.Line;
            if (tokens.AcceptOperator("|"))
                value = new Filter(line, value, tokens.ExpectName(), tokens.AcceptOperator("(") ? ParseArguments() : Arguments.None);
            else if (tokens.AcceptName("is"))
                value = ParseTest(line, value);
            else if (tokens.AcceptOperator("("))
                value = new Call(line, value, ParseArguments());
            else
                return value;
        }
    }

    private Test ParseTest(int line, Expression value)
    {
        bool negated = tokens.AcceptName("not");
        string name = tokens.Current.Kind == TokenKind.Operator && Comparisons.Contains(tokens.Current.Text) ? tokens.Take().Text : tokens.ExpectName();
        Arguments arguments = Arguments.None;
        if (tokens.AcceptOperator("("))
            arguments = ParseArguments();
        else if (StartsOperand(tokens.Current))
            arguments = new Arguments([ParsePostfix(ParsePrimary())], []);
        return new Test(line, value, name, negated, arguments);
    }

    private static bool StartsOperand(Token token) => token.Kind switch
    {
        TokenKind.Name => token.Text is not ("else" or "or" or "and" or "if" or "is" or "in" or "not"),
        TokenKind.String or TokenKind.Integer or TokenKind.Float => true,
        TokenKind.Operator => token.Text is "[" or "{",
        _ => false,
    };
}
