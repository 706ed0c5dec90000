using System.Text;

namespace Retrieval.Runtime.Text.Jinja;

/// <summary>Runs the statements of a parsed template once.</summary>
internal sealed class Evaluator
{
    private readonly Budget _budget = new();

    private readonly ExpressionEvaluator _expressions;

    private StringBuilder _output = new();

    private enum Flow
    {
        On,
        Continue,
        Break,
    }

    public Evaluator() => _expressions = new ExpressionEvaluator(_budget);

    public string Render(IReadOnlyList<Statement> body, IReadOnlyDictionary<string, object?> variables)
    {
        var scope = new Scope(null);
        foreach ((string name, object? value) in variables)
            scope[name] = value;
        // Names that a template sets must not change the ones that later renderings start with.
        Run(body, new Scope(scope));
        return _output.ToString();
    }

    private Flow Run(IReadOnlyList<Statement> body, Scope scope)
    {
        foreach (Statement statement in body)
        {
            _budget.Enter(statement.Line);
            Flow flow = Run(statement, scope);
            _budget.Leave();
            if (flow != Flow.On)
                return flow;
        }
        return Flow.On;
    }

    private Flow Run(Statement statement, Scope scope)
    {
        switch (statement)
        {
            case Output output:
                Write(Printer.Str(_expressions.Evaluate(output.Value, scope), _budget, output.Line), output.Line);
                return Flow.On;
            case If choice:
                foreach ((Expression test, IReadOnlyList<Statement> body) in choice.Branches)
                {
                    if (Values.Truth(_expressions.Evaluate(test, scope)))
                        return Run(body, scope);
                }
                return Run(choice.Else, scope);
            case For loop:
                return RunFor(loop, scope);
            case Set set:
                Assign(set, scope);
                return Flow.On;
            case BlockSet set:
                var inner = new Scope(scope);
                inner[TemplateParser.BlockText.Text] = Capture(set.Body, scope);
                scope[set.Target] = _expressions.Evaluate(set.Filters, inner);
                return Flow.On;
            case MacroDefinition macro:
                scope[macro.Text] = new Function(call => RunMacro(macro, scope, call));
                return Flow.On;
            case Block block:
                return Run(block.Body, scope);
            case Jump jump:
                return jump.Leaves ? Flow.Break : Flow.Continue;
            default:
                throw TemplateError.At(statement.Line, $"the statement {statement.GetType().Name} is not supported");
        }
    }

    private Flow RunFor(For loop, Scope scope)
    {
        List<object?> items = Operations.Items(_expressions.Evaluate(loop.Items, scope), _budget, loop.Line);
        if (loop.Where is { } where)
        {
            items = items.Where(item =>
            {
                var filterScope = new Scope(scope);
                Bind(loop.Targets, item, filterScope, loop.Line);
                return Values.Truth(_expressions.Evaluate(where, filterScope));
            }).ToList();
        }
        if (items.Count == 0)
            return Run(loop.Else, scope);
        for (int i = 0; i < items.Count; i++)
        {
            _budget.Spend(loop.Line);
            var body = new Scope(scope);
            Bind(loop.Targets, items[i], body, loop.Line);
            body["loop"] = new LoopState(items, i);
            if (Run(loop.Body, body) == Flow.Break)
                break;
        }
        return Flow.On;
    }

    private string RunMacro(MacroDefinition macro, Scope defined, Values.Call call)
    {
        var scope = new Scope(defined);
        if (call.Positional.Count > macro.Parameters.Count)
            throw TemplateError.At(call.Line, $"macro '{macro.Text}' takes {macro.Parameters.Count} arguments, not {call.Positional.Count}");
        foreach (string name in call.Named.Keys)
        {
            if (!macro.Parameters.Any(p => p.Name == name))
                throw TemplateError.At(call.Line, $"macro '{macro.Text}' has no argument '{name}'");
        }
        for (int i = 0; i < macro.Parameters.Count; i++)
        {
            (string name, Expression? missing) = macro.Parameters[i];
            scope[name] = call.Has(i, name) || missing is null ? call.Get(i, name) : _expressions.Evaluate(missing, scope);
        }
        return Capture(macro.Body, scope);
    }

    private string Capture(IReadOnlyList<Statement> body, Scope scope)
    {
        StringBuilder outer = _output;
        _output = new StringBuilder();
        Run(body, scope);
        string text = _output.ToString();
        _output = outer;
        return text;
    }

    private void Write(string text, int line)
    {
        _budget.SpendText(line, text.Length);
        if (_output.Length + text.Length > Budget.Characters)
            _budget.SpendText(line, Budget.Characters + 1);
        _output.Append(text);
    }

    private void Assign(Set set, Scope scope)
    {
        object? value = _expressions.Evaluate(set.Value, scope);
        if (set.Member is null)
            Bind(set.Targets, value, scope, set.Line);
        else if (scope[set.Targets[0]] is Namespace target)
            target.Members[set.Member] = value;
        else
            throw TemplateError.At(set.Line, $"'{set.Targets[0]}.{set.Member}' cannot be set, because '{set.Targets[0]}' is no namespace");
    }

    private void Bind(IReadOnlyList<string> targets, object? value, Scope scope, int line)
    {
        if (targets.Count == 1)
        {
            scope[targets[0]] = value;
            return;
        }
        List<object?> parts = Operations.Items(value, _budget, line);
        if (parts.Count != targets.Count)
            throw TemplateError.At(line, $"{parts.Count} values cannot go to the {targets.Count} names {string.Join(", ", targets)}");
        for (int i = 0; i < parts.Count; i++)
            scope[targets[i]] = parts[i];
    }
}
