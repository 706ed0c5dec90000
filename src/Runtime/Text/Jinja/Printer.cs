using System.Globalization;
using System.Text;

namespace Retrieval.Runtime.Text.Jinja;

/// <summary>Values as text: as Python's str and repr show them, and as JSON in the form of Python's json.dumps.</summary>
internal sealed class Printer(Budget budget, int line)
{
    private readonly StringBuilder _text = new();

    /// <summary>What {{ value }} writes.</summary>
    public static string Str(object? value, Budget budget, int line)
    {
        if (value is string text)
            return text;
        if (value is Undefined)
            return "";
        var printer = new Printer(budget, line);
        printer.Repr(value);
        return printer._text.ToString();
    }

    /// <summary>json.dumps(value, ensure_ascii=False, indent=indent).</summary>
    public static string Json(object? value, int? indent, Budget budget, int line)
    {
        var printer = new Printer(budget, line);
        printer.Json(value, indent, 0);
        return printer._text.ToString();
    }

    public static string Number(double value)
    {
        if (!double.IsFinite(value))
            return double.IsNaN(value) ? "nan" : value > 0 ? "inf" : "-inf";
        string text = value.ToString("R", CultureInfo.InvariantCulture);
        double size = Math.Abs(value);
        int exponent = text.IndexOf('E');
        if (exponent < 0)
            return text.Contains('.') ? text : text + ".0";
        if (size is >= 1e-4 and < 1e16)
            return value.ToString("0.0################", CultureInfo.InvariantCulture);
        string digits = text[(exponent + 2)..].TrimStart('0').PadLeft(2, '0');
        return $"{text[..exponent]}e{text[exponent + 1]}{digits}";
    }

    private void Append(string text)
    {
        budget.SpendText(line, text.Length);
        if (_text.Length + text.Length > Budget.Characters)
            budget.SpendText(line, Budget.Characters + 1);
        _text.Append(text);
    }

    private void Repr(object? value)
    {
        budget.Enter(line);
        switch (value)
        {
            case null:
                Append("None");
                break;
            case bool flag:
                Append(flag ? "True" : "False");
                break;
            case long number:
                Append(number.ToString(CultureInfo.InvariantCulture));
                break;
            case double number:
                Append(Number(number));
                break;
            case string text:
                Append(Quoted(text));
                break;
            case List<object?> list:
                Join("[", "]", ", ", list, Repr);
                break;
            case OrderedDictionary<object, object?> map:
                Join("{", "}", ", ", map, p =>
                {
                    Repr(p.Key);
                    Append(": ");
                    Repr(p.Value);
                });
                break;
            case Undefined:
                Append("Undefined");
                break;
            default:
                throw TemplateError.At(line, $"{Values.Describe(value)} cannot be written as text");
        }
        budget.Leave();
    }

    private void Json(object? value, int? indent, int level)
    {
        budget.Enter(line);
        string inner = indent is { } width ? "\n" + new string(' ', width * (level + 1)) : "";
        string outer = indent is { } back ? "\n" + new string(' ', back * level) : "";
        string comma = indent is null ? ", " : "," + inner;
        switch (value)
        {
            case null or bool:
                Append(value switch { null => "null", true => "true", _ => "false" });
                break;
            case double number when !double.IsFinite(number):
                Append(double.IsNaN(number) ? "NaN" : number > 0 ? "Infinity" : "-Infinity");
                break;
            case long or double:
                Repr(value);
                break;
            case string text:
                Append(JsonText(text));
                break;
            case List<object?> { Count: 0 }:
                Append("[]");
                break;
            case OrderedDictionary<object, object?> { Count: 0 }:
                Append("{}");
                break;
            case List<object?> list:
                Join("[" + inner, outer + "]", comma, list, item => Json(item, indent, level + 1));
                break;
            case OrderedDictionary<object, object?> map:
                Join("{" + inner, outer + "}", comma, map, p =>
                {
                    Append(JsonText(p.Key as string ?? Json(p.Key, null, budget, line)) + ": ");
                    Json(p.Value, indent, level + 1);
                });
                break;
            default:
                throw TemplateError.At(line, $"{Values.Describe(value)} cannot be written as JSON");
        }
        budget.Leave();
    }

    private void Join<T>(string open, string close, string separator, IEnumerable<T> items, Action<T> print)
    {
        Append(open);
        bool first = true;
        foreach (T item in items)
        {
            if (!first)
                Append(separator);
            first = false;
            print(item);
        }
        Append(close);
    }

    private static string Quoted(string text)
    {
        char quote = text.Contains('\'') && !text.Contains('"') ? '"' : '\'';
        StringBuilder result = new StringBuilder(text.Length + 2).Append(quote);
        foreach (char c in text)
        {
            _ = c switch
            {
                '\n' => result.Append("\\n"),
                '\r' => result.Append("\\r"),
                '\t' => result.Append("\\t"),
                '\\' => result.Append("\\\\"),
                _ when c == quote => result.Append('\\').Append(c),
                < ' ' or '\x7F' => result.Append(CultureInfo.InvariantCulture, $"\\x{(int)c:x2}"),
                _ => result.Append(c),
            };
        }
        return result.Append(quote).ToString();
    }

    private static string JsonText(string text)
    {
        StringBuilder result = new StringBuilder(text.Length + 2).Append('"');
        foreach (char c in text)
        {
            _ = c switch
            {
                '"' => result.Append("\\\""),
                '\\' => result.Append("\\\\"),
                '\n' => result.Append("\\n"),
                '\r' => result.Append("\\r"),
                '\t' => result.Append("\\t"),
                '\b' => result.Append("\\b"),
                '\f' => result.Append("\\f"),
                < ' ' => result.Append(CultureInfo.InvariantCulture, $"\\u{(int)c:x4}"),
                _ => result.Append(c),
            };
        }
        return result.Append('"').ToString();
    }
}
