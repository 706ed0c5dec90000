namespace Retrieval.Runtime.Text.Jinja;

/// <summary>Statements of a template. One that is not known is refused with its name and line.</summary>
internal sealed class TemplateParser
{
    private readonly TokenReader _tokens;

    private readonly ExpressionParser _expressions;

    private int _loops;

    private TemplateParser(string source)
    {
        _tokens = new TokenReader(Lexer.Read(source));
        _expressions = new ExpressionParser(_tokens);
    }

    public static IReadOnlyList<Statement> Parse(string source)
    {
        var parser = new TemplateParser(source);
        List<Statement> body = parser.ParseBody([]);
        return body;
    }

    // Up to one of the names that end the body; the reader then stands on that name.
    private List<Statement> ParseBody(params string[] ends)
    {
        List<Statement> body = [];
        int line = _tokens.Line;
        while (_tokens.Current.Kind != TokenKind.End)
        {
            Token token = _tokens.Take();
            if (token.Kind == TokenKind.Text)
            {
                if (token.Text.Length > 0)
                    body.Add(new Output(token.Line, new Literal(token.Line, token.Text)));
            }
            else if (token.Text == "{{")
            {
                body.Add(new Output(token.Line, _expressions.ParseTuple()));
                _tokens.Expect(TokenKind.Close, "}}");
            }
            else
            {
                if (_tokens.Current.Kind == TokenKind.Name && ends.Contains(_tokens.Current.Text))
                    return body;
                body.Add(_tokens.Nested(ParseStatement));
            }
        }
        return ends.Length == 0 ? body : throw TemplateError.At(line, $"'{ends[^1]}' is missing");
    }

    private void End(string name)
    {
        _tokens.Expect(TokenKind.Name, name);
        _tokens.Expect(TokenKind.Close, "%}");
    }

    private List<Statement> Body(params string[] ends)
    {
        _tokens.Expect(TokenKind.Close, "%}");
        return ParseBody(ends);
    }

    private Statement ParseStatement()
    {
        int line = _tokens.Line;
        string name = _tokens.ExpectName();
        switch (name)
        {
            case "if":
                return ParseIf(line);
            case "for":
                return ParseFor(line);
            case "set":
                return ParseSet(line);
            case "macro":
                return ParseMacro(line);
            case "generation":
                List<Statement> body = Body("endgeneration");
                End("endgeneration");
                return new Block(line, body);
            case "break" or "continue" when _loops > 0:
                _tokens.Expect(TokenKind.Close, "%}");
                return new Jump(line, name == "break");
            default:
                throw TemplateError.At(line, $"the statement '{name}' is not supported here");
        }
    }

    private If ParseIf(int line)
    {
        List<(Expression, IReadOnlyList<Statement>)> branches = [];
        do
            branches.Add((_expressions.ParseTuple(), Body("elif", "else", "endif")));
        while (_tokens.AcceptName("elif"));
        List<Statement> otherwise = _tokens.AcceptName("else") ? Body("endif") : [];
        End("endif");
        return new If(line, branches, otherwise);
    }

    private For ParseFor(int line)
    {
        List<string> targets = Targets();
        _tokens.Expect(TokenKind.Name, "in");
        Expression items = _expressions.ParseOr();
        Expression? where = _tokens.AcceptName("if") ? _expressions.Parse() : null;
        _loops++;
        List<Statement> body = Body("else", "endfor");
        _loops--;
        List<Statement> otherwise = _tokens.AcceptName("else") ? Body("endfor") : [];
        End("endfor");
        return new For(line, targets, items, where, body, otherwise);
    }

    private Statement ParseSet(int line)
    {
        List<string> targets = Targets();
        string? member = targets.Count == 1 && _tokens.AcceptOperator(".") ? _tokens.ExpectName() : null;
        if (_tokens.AcceptOperator("="))
        {
            Expression value = _expressions.ParseTuple();
            _tokens.Expect(TokenKind.Close, "%}");
            return new Set(line, targets, member, value);
        }
        if (targets.Count > 1 || member is not null)
            throw TemplateError.At(line, "a block set has one plain name");
        Expression filters = _expressions.ParseFilters(BlockText);
        List<Statement> body = Body("endset");
        End("endset");
        return new BlockSet(line, targets[0], filters, body);
    }

    /// <summary>Stands for the body's text in a block set's filters.</summary>
    public static Name BlockText { get; } = new(0, "(block)");

    private MacroDefinition ParseMacro(int line)
    {
        string name = _tokens.ExpectName();
        List<(string, Expression?)> parameters = [];
        _tokens.ExpectOperator("(");
        while (!_tokens.AcceptOperator(")"))
        {
            if (parameters.Count > 0)
                _tokens.ExpectOperator(",");
            parameters.Add((_tokens.ExpectName(), _tokens.AcceptOperator("=") ? _expressions.Parse() : null));
        }
        int loops = _loops;
        _loops = 0;
        List<Statement> body = Body("endmacro");
        _loops = loops;
        End("endmacro");
        return new MacroDefinition(line, name, parameters, body);
    }

    private List<string> Targets()
    {
        bool parentheses = _tokens.AcceptOperator("(");
        List<string> targets = [_tokens.ExpectName()];
        while (_tokens.AcceptOperator(","))
            targets.Add(_tokens.ExpectName());
        if (parentheses)
            _tokens.ExpectOperator(")");
        return targets;
    }
}
