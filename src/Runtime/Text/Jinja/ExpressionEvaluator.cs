namespace Retrieval.Runtime.Text.Jinja;

/// <summary>Values of expressions.</summary>
internal sealed class ExpressionEvaluator(Budget budget)
{
    public object? Evaluate(Expression expression, Scope scope)
    {
        budget.Enter(expression.Line);
        object? value = Compute(expression, scope);
        budget.Leave();
        return value;
    }

    private object? Compute(Expression expression, Scope scope)
    {
        int line = expression.Line;
        switch (expression)
        {
            case Literal literal:
                return literal.Value;
            case Name name:
                return scope[name.Text];
            case ListLiteral list:
                return list.Items.Select(item => Evaluate(item, scope)).ToList();
            case MapLiteral map:
                return Values.Map(map.Items.Select(item => (Key(Evaluate(item.Key, scope), line), Evaluate(item.Value, scope))));
            case Unary unary:
                return Negate(unary, Evaluate(unary.Operand, scope));
            case Binary { Operator: "and" } both:
                object? left = Evaluate(both.Left, scope);
                return Values.Truth(left) ? Evaluate(both.Right, scope) : left;
            case Binary { Operator: "or" } either:
                object? first = Evaluate(either.Left, scope);
                return Values.Truth(first) ? first : Evaluate(either.Right, scope);
            case Binary binary:
                return Operations.Apply(binary.Operator, Evaluate(binary.Left, scope), Evaluate(binary.Right, scope), budget, line);
            case Comparison comparison:
                return Compare(comparison, scope);
            case Conditional choice:
                return Values.Truth(Evaluate(choice.Test, scope)) ? Evaluate(choice.Then, scope)
                    : choice.Else is null ? new Undefined("the missing else") : Evaluate(choice.Else, scope);
            case Attribute attribute:
                return Members.Attribute(Evaluate(attribute.Target, scope), attribute.Text, line);
            case Subscript subscript:
                return Members.Item(Evaluate(subscript.Target, scope), Evaluate(subscript.Index, scope), budget, line);
            case Slice slice:
                return Slices.Take(Evaluate(slice.Target, scope), Bound(slice.Start, scope, line), Bound(slice.Stop, scope, line),
                    Bound(slice.Step, scope, line), budget, line);
            case Filter filter:
                return Filters.Apply(filter.Text, Evaluate(filter.Target, scope), Arguments(filter.Arguments, scope, line));
            case Test test:
                return Tests.Holds(test.Text, Evaluate(test.Target, scope), Arguments(test.Arguments, scope, line)) != test.Negated;
            case Call call:
                return Invoke(call, scope);
            default:
                throw TemplateError.At(line, $"the expression {expression.GetType().Name} is not supported");
        }
    }

    private bool Compare(Comparison comparison, Scope scope)
    {
        object? left = Evaluate(comparison.First, scope);
        foreach ((string op, Expression next) in comparison.Rest)
        {
            object? right = Evaluate(next, scope);
            if (!Operations.Compare(op, left, right, budget, comparison.Line))
                return false;
            left = right;
        }
        return true;
    }

    private object? Invoke(Call call, Scope scope)
    {
        object? target = Evaluate(call.Target, scope);
        Values.Call arguments = Arguments(call.Arguments, scope, call.Line);
        string name = call.Target switch { Name n => n.Text, Attribute a => a.Text, _ => "the value" };
        return target is Function function
            ? function(arguments)
            : throw TemplateError.At(call.Line, $"the function '{name}' is not known ({Values.Describe(target)})");
    }

    private Values.Call Arguments(Arguments arguments, Scope scope, int line)
    {
        if (arguments.Positional.Count == 0 && arguments.Named.Count == 0)
            return new Values.Call(line, [], new Dictionary<string, object?>(), budget);
        Dictionary<string, object?> named = [];
        foreach ((string name, Expression value) in arguments.Named)
            named[name] = Evaluate(value, scope);
        return new Values.Call(line, [.. arguments.Positional.Select(a => Evaluate(a, scope))], named, budget);
    }

    private static object Negate(Unary unary, object? value)
    {
        if (unary.Operator == "not")
            return !Values.Truth(value);
        int sign = unary.Operator == "-" ? -1 : 1;
        if (Values.TryInteger(value, out long integer) && integer != long.MinValue)
            return sign * integer;
        return Values.TryNumber(value, out double number)
            ? sign * number
            : throw TemplateError.At(unary.Line, $"'{unary.Operator}' does not work with {Values.Describe(value)}");
    }

    private long? Bound(Expression? expression, Scope scope, int line) => expression is null ? null : Evaluate(expression, scope) switch
    {
        null => null,
        long bound => bound,
        var other => throw TemplateError.At(line, $"a slice goes by whole numbers, not {Values.Describe(other)}"),
    };

    private static object Key(object? key, int line) => key is string or long or bool or double
        ? key
        : throw TemplateError.At(line, $"{Values.Describe(key)} cannot be the key of a map");
}
