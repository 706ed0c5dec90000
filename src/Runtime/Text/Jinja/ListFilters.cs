namespace Retrieval.Runtime.Text.Jinja;

/// <summary>Filters that go over the items of a value.</summary>
internal static class ListFilters
{
    public static object? Apply(string name, object? value, Values.Call call)
    {
        (Budget budget, int line) = (call.Budget, call.Line);
        List<object?> Items() => Operations.Items(value, budget, line);
        switch (name)
        {
            case "list":
                return new List<object?>(Items());
            case "first":
                return Items() is [var first, ..] ? first : new Undefined("the first item of nothing");
            case "last":
                return Items() is [.., var last] ? last : new Undefined("the last item of nothing");
            case "join":
                List<object?> parts = call.Get(1, "attribute") is string attribute ? Each(Items(), attribute, call) : Items();
                return Filters.Join(parts, call.Has(0, "d") ? call.Text(0, "d") : "", call);
            case "reverse":
                List<object?> reversed = [.. Items()];
                reversed.Reverse();
                return value is string ? string.Concat(reversed) : reversed;
            case "sort":
                return Sort(Items(), call);
            case "unique":
                return Unique(Items(), call);
            case "sum":
                return Items().Aggregate((object?)0L, (a, b) => Operations.Apply("+", a, b, budget, line));
            case "min" or "max":
                List<object?> sorted = Sort(Items(), new Values.Call(line, [], new Dictionary<string, object?>(), budget));
                return sorted.Count == 0 ? new Undefined($"the {name} of nothing") : name == "min" ? sorted[0] : sorted[^1];
            case "map":
                return Map(Items(), call);
            case "select" or "reject":
                return Choose(Items(), name == "select", item => item, call, testAt: 0);
            case "selectattr" or "rejectattr":
                string path = call.Text(0, "attribute");
                return Choose(Items(), name == "selectattr", item => Path(item, path, call), call, testAt: 1);
            default:
                throw TemplateError.At(line, $"the filter '{name}' is not supported");
        }
    }

    private static List<object?> Map(List<object?> items, Values.Call call)
    {
        if (call.Named.TryGetValue("attribute", out object? attribute) && attribute is string path)
            return Each(items, path, call, call.Get(1, "default"));
        string filter = call.Text(0, "filter");
        var rest = call with { Positional = [.. call.Positional.Skip(1)] };
        return items.ConvertAll(item => Filters.Apply(filter, item, rest));
    }

    private static List<object?> Each(List<object?> items, string path, Values.Call call, object? missing = null) =>
        items.ConvertAll(item => Path(item, path, call) is var value && value is Undefined && missing is not (null or Undefined) ? missing : value);

    private static object? Path(object? item, string path, Values.Call call)
    {
        foreach (string name in path.Split('.'))
            item = long.TryParse(name, out long place) ? Members.Item(item, place, call.Budget, call.Line) : Members.Item(item, name, call.Budget, call.Line);
        return item;
    }

    private static List<object?> Choose(List<object?> items, bool keep, Func<object?, object?> subject, Values.Call call, int testAt)
    {
        string? test = call.Positional.Count > testAt ? call.Text(testAt, "test") : null;
        var rest = call with { Positional = [.. call.Positional.Skip(testAt + 1)] };
        return items.FindAll(item => (test is null ? Values.Truth(subject(item)) : Tests.Holds(test, subject(item), rest)) == keep);
    }

    private static List<object?> Sort(List<object?> items, Values.Call call)
    {
        string? attribute = call.Get(2, "attribute") as string;
        bool ignoreCase = !Values.Truth(call.Get(1, "case_sensitive"));
        object? Key(object? item)
        {
            object? key = attribute is null ? item : Path(item, attribute, call);
            return ignoreCase && key is string text ? text.ToLowerInvariant() : key;
        }
        var order = Comparer<object?>.Create((a, b) => Operations.Order(a, b, call.Budget, call.Line));
        return [.. Values.Truth(call.Get(0, "reverse")) ? items.OrderByDescending(Key, order) : items.OrderBy(Key, order)];
    }

    private static List<object?> Unique(List<object?> items, Values.Call call)
    {
        List<object?> unique = [];
        foreach (object? item in items)
        {
            call.Budget.Spend(call.Line, unique.Count);
            if (!unique.Exists(u => Operations.Same(u, item, call.Budget, call.Line)))
                unique.Add(item);
        }
        return unique;
    }
}
