namespace Retrieval.Runtime.Text.Jinja;

/// <summary>value is name(arguments).</summary>
internal static class Tests
{
    public static bool Holds(string name, object? value, Values.Call call)
    {
        (Budget budget, int line) = (call.Budget, call.Line);
        return name switch
        {
            "defined" => value is not Undefined,
            "undefined" => value is Undefined,
            "none" => value is null,
            "string" => value is string,
            "mapping" => value is OrderedDictionary<object, object?>,
            "sequence" or "iterable" => value is string or List<object?> or OrderedDictionary<object, object?> or Undefined,
            "number" => value is long or double or bool,
            "integer" => value is long,
            "float" => value is double,
            "boolean" => value is bool,
            "true" => value is true,
            "false" => value is false,
            "callable" => value is Function,
            "odd" => Operations.Apply("%", value, 2L, budget, line) is 1L,
            "even" => Operations.Apply("%", value, 2L, budget, line) is 0L,
            "divisibleby" => Operations.Apply("%", value, call.Integer(0, "num"), budget, line) is 0L,
            "upper" => value is string text && text.Any(char.IsUpper) && !text.Any(char.IsLower),
            "lower" => value is string text && text.Any(char.IsLower) && !text.Any(char.IsUpper),
            "in" => Operations.Contains(call.Get(0, "seq"), value, budget, line),
            "sameas" => Operations.Same(value, call.Get(0, "other"), budget, line),
            "==" or "eq" or "equalto" => Compare("=="),
            "!=" or "ne" => Compare("!="),
            "<" or "lt" or "lessthan" => Compare("<"),
            "<=" or "le" => Compare("<="),
            ">" or "gt" or "greaterthan" => Compare(">"),
            ">=" or "ge" => Compare(">="),
            _ => throw TemplateError.At(line, $"the test '{name}' is not supported"),
        };
        bool Compare(string op) => Operations.Compare(op, value, call.Get(0, "other"), budget, line);
    }
}
