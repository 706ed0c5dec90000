using System.Text;

namespace Retrieval.Runtime.Text.Jinja;

/// <summary>Operators between values, by Python's rules.</summary>
internal static class Operations
{
    public static object? Apply(string op, object? left, object? right, Budget budget, int line)
    {
        switch (op)
        {
            case "~":
                return Concatenate(Printer.Str(left, budget, line), Printer.Str(right, budget, line), budget, line);
            case "+" when left is string a && right is string b:
                return Concatenate(a, b, budget, line);
            case "+" when left is List<object?> a && right is List<object?> b:
                budget.Spend(line, a.Count + b.Count);
                return (List<object?>)[.. a, .. b];
            case "*" when left is string text && right is long times:
                return Repeat(text, times, budget, line);
        }
        try
        {
            if (op != "/" && Values.TryInteger(left, out long x) && Values.TryInteger(right, out long y))
                return Integers(op, x, y, line);
        }
        catch (OverflowException)
        {
            throw TemplateError.At(line, $"{left} {op} {right} is too large");
        }
        if (!Values.TryNumber(left, out double p) || !Values.TryNumber(right, out double q))
            throw TemplateError.At(line, $"'{op}' does not work between {Values.Describe(left)} and {Values.Describe(right)}");
        if (op is "/" or "//" or "%" && q == 0)
            throw TemplateError.At(line, "division by zero");
        return op switch
        {
            "+" => p + q,
            "-" => p - q,
            "*" => p * q,
            "/" => p / q,
            "//" => Math.Floor(p / q),
            "%" => p - q * Math.Floor(p / q),
            _ => Math.Pow(p, q),
        };
    }

    public static bool Compare(string op, object? left, object? right, Budget budget, int line) => op switch
    {
        "==" => Same(left, right, budget, line),
        "!=" => !Same(left, right, budget, line),
        "in" => Contains(right, left, budget, line),
        "not in" => !Contains(right, left, budget, line),
        "<" => Order(left, right, budget, line) < 0,
        ">" => Order(left, right, budget, line) > 0,
        "<=" => Order(left, right, budget, line) <= 0,
        _ => Order(left, right, budget, line) >= 0,
    };

    public static bool Same(object? left, object? right, Budget budget, int line)
    {
        budget.Enter(line);
        bool same;
        if (left is string a && right is string b)
        {
            budget.SpendText(line, Math.Min(a.Length, b.Length));
            same = a == b;
        }
        else if (Values.TryNumber(left, out double x) && Values.TryNumber(right, out double y))
            same = left is long i && right is long j ? i == j : x == y;
        else if (left is List<object?> p && right is List<object?> q)
            same = p.Count == q.Count && p.Zip(q).All(pair => Same(pair.First, pair.Second, budget, line));
        else if (left is OrderedDictionary<object, object?> m && right is OrderedDictionary<object, object?> n)
            same = m.Count == n.Count && m.All(pair => n.TryGetValue(pair.Key, out object? other) && Same(pair.Value, other, budget, line));
        else
            same = (left is null && right is null) || (left is Undefined && right is Undefined)
                || (left is not null && ReferenceEquals(left, right));
        budget.Leave();
        return same;
    }

    public static int Order(object? left, object? right, Budget budget, int line)
    {
        if (left is string a && right is string b)
        {
            budget.SpendText(line, Math.Min(a.Length, b.Length));
            return string.CompareOrdinal(a, b);
        }
        if (Values.TryNumber(left, out double x) && Values.TryNumber(right, out double y))
            return x.CompareTo(y);
        throw TemplateError.At(line, $"{Values.Describe(left)} and {Values.Describe(right)} have no order");
    }

    public static bool Contains(object? container, object? item, Budget budget, int line)
    {
        switch (container)
        {
            case string text when item is string part:
                budget.SpendText(line, text.Length);
                return text.Contains(part, StringComparison.Ordinal);
            case List<object?> list:
                return list.Any(each => Same(each, item, budget, line));
            case OrderedDictionary<object, object?> map:
                return item is not null && map.ContainsKey(item);
            case Undefined:
                return false;
            default:
                throw TemplateError.At(line, $"'in' does not work with {Values.Describe(container)} for {Values.Describe(item)}");
        }
    }

    /// <summary>What a for loop goes over; text is its characters, a map its keys.</summary>
    public static List<object?> Items(object? value, Budget budget, int line)
    {
        List<object?> items = value switch
        {
            List<object?> list => list,
            OrderedDictionary<object, object?> map => [.. map.Keys],
            string text => Characters(text, budget, line),
            Undefined => [],
            _ => throw TemplateError.At(line, $"{Values.Describe(value)} has no items to go over"),
        };
        budget.Spend(line, items.Count);
        return items;
    }

    /// <summary>The code points of a text, as Python counts them.</summary>
    public static List<object?> Characters(string text, Budget budget, int line)
    {
        budget.Spend(line, text.Length);
        return [.. text.EnumerateRunes().Select(r => r.ToString())];
    }

    public static string Concatenate(string left, string right, Budget budget, int line)
    {
        budget.SpendText(line, (long)left.Length + right.Length);
        return left + right;
    }

    private static string Repeat(string text, long times, Budget budget, int line)
    {
        times = text.Length == 0 ? 0 : Math.Clamp(times, 0, Budget.Characters + 1);
        budget.SpendText(line, text.Length * times);
        return text.Length == 1 ? new string(text[0], (int)times) : new StringBuilder().Insert(0, text, (int)times).ToString();
    }

    private static object Integers(string op, long x, long y, int line)
    {
        if (op is "//" or "%" && y == 0)
            throw TemplateError.At(line, "division by zero");
        return op switch
        {
            "+" => checked(x + y),
            "-" => checked(x - y),
            "*" => checked(x * y),
            "//" => checked(x / y) - (x % y != 0 && x < 0 != y < 0 ? 1 : 0),
            "%" => y == -1 ? 0L : (x % y + y) % y,
            _ => Power(x, y),
        };
    }

    private static object Power(long x, long y)
    {
        if (y < 0)
            return Math.Pow(x, y);
        long result = 1;
        for (long i = 0; i < y && x is not (0 or 1 or -1); i++)
            result = checked(result * x);
        return x is 0 ? (y == 0 ? 1L : 0L) : x is 1 ? 1L : x is -1 ? (y % 2 == 0 ? 1L : -1L) : result;
    }
}
