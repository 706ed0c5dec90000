namespace Retrieval.Runtime.Text.Jinja;

/// <summary>value.name and value[index].</summary>
internal static class Members
{
    public static object? Attribute(object? target, string name, int line) => target switch
    {
        Undefined { Name: var owner } => throw TemplateError.At(line, $"'{owner}' is not defined, so it has no '{name}'"),
        Namespace space => space.Members.TryGetValue(name, out object? value) ? value : new Undefined(name),
        LoopState loop => loop.Member(name, line),
        string text => TextMethods.Find(text, name) ?? (object)new Undefined(name),
        OrderedDictionary<object, object?> map => MapMethod(map, name) ?? (map.TryGetValue(name, out object? value) ? value : new Undefined(name)),
        List<object?> list => ListMethod(list, name) ?? (object)new Undefined(name),
        _ => new Undefined(name),
    };

    public static object? Item(object? target, object? index, Budget budget, int line)
    {
        switch (target)
        {
            case OrderedDictionary<object, object?> map when index is not null:
                return map.TryGetValue(index, out object? value) ? value : index is string name ? MapMethod(map, name) ?? (object)new Undefined(name) : new Undefined("item");
            case List<object?> list when index is long place:
                place += place < 0 ? list.Count : 0;
                return place >= 0 && place < list.Count ? list[(int)place] : new Undefined($"item {index}");
            case string text when index is long place:
                List<object?> characters = Operations.Characters(text, budget, line);
                place += place < 0 ? characters.Count : 0;
                return place >= 0 && place < characters.Count ? characters[(int)place] : new Undefined($"character {index}");
            default:
                return index is string member ? Attribute(target, member, line)
                    : target is Undefined ? throw TemplateError.At(line, $"{Values.Describe(target)} has no items")
                    : new Undefined("item");
        }
    }

    private static Function? MapMethod(OrderedDictionary<object, object?> map, string name) => name switch
    {
        "get" => call => call.Get(0, "key") is { } key && map.TryGetValue(key, out object? value) ? value : call.Has(1, "default") ? call.Get(1, "default") : null,
        "items" => call => Pairs(map, call.Budget, call.Line),
        "keys" => call => Operations.Items(map, call.Budget, call.Line),
        "values" => call =>
        {
            call.Budget.Spend(call.Line, map.Count);
            return map.Values.ToList();
        }
        ,
        _ => null,
    };

    private static Function? ListMethod(List<object?> list, string name) => name switch
    {
        "index" => call => list.FindIndex(item => Operations.Same(item, call.Get(0, "value"), call.Budget, call.Line)) is >= 0 and int place
            ? (long)place
            : throw TemplateError.At(call.Line, "the value is not in the list"),
        "count" => call => (long)list.Count(item => Operations.Same(item, call.Get(0, "value"), call.Budget, call.Line)),
        _ => null,
    };

    /// <summary>The keys and values of a map, as pairs.</summary>
    public static List<object?> Pairs(OrderedDictionary<object, object?> map, Budget budget, int line)
    {
        budget.Spend(line, 2L * map.Count);
        return [.. map.Select(p => (object?)new List<object?> { p.Key, p.Value })];
    }
}
