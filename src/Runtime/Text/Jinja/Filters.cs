using System.Globalization;
using System.Text;

namespace Retrieval.Runtime.Text.Jinja;

/// <summary>value | name(arguments).</summary>
internal static class Filters
{
    public static object? Apply(string name, object? value, Values.Call call)
    {
        (Budget budget, int line) = (call.Budget, call.Line);
        if (value is string any)
            budget.SpendText(line, any.Length);
        switch (name)
        {
            case "trim":
                string text = Str(value, call);
                return call.Get(0, "chars") is string chars ? text.Trim(chars.ToCharArray()) : text.Trim();
            case "upper":
                return Str(value, call).ToUpperInvariant();
            case "lower":
                return Str(value, call).ToLowerInvariant();
            case "capitalize":
                return TextMethods.Capitalize(Str(value, call));
            case "title":
                return TextMethods.Title(Str(value, call));
            case "string":
                return Str(value, call);
            case "safe":
                return value;
            case "escape" or "e":
                return Str(value, call).Replace("&", "&amp;").Replace("<", "&lt;").Replace(">", "&gt;").Replace("'", "&#39;").Replace("\"", "&#34;");
            case "replace":
                return TextMethods.Replace(Str(value, call), call.Text(0, "old"), call.Text(1, "new"), call.Has(2, "count") ? call.Integer(2, "count") : -1, call);
            case "indent":
                return Indent(Str(value, call), call);
            case "tojson":
                return Printer.Json(value, call.Get(0, "indent") is long width ? (int)Math.Clamp(width, 0, 16) : null, budget, line);
            case "default" or "d":
                bool missing = value is Undefined || (Values.Truth(call.Get(1, "boolean")) && !Values.Truth(value));
                return !missing ? value : call.Has(0, "default_value") ? call.Get(0, "default_value") : "";
            case "int":
                return ToInteger(value, call);
            case "float":
                return Values.TryNumber(value, out double number) ? number
                    : value is string digits && double.TryParse(digits.Trim(), NumberStyles.Float, CultureInfo.InvariantCulture, out number) ? number : 0.0;
            case "abs":
                return value is long integer && integer != long.MinValue ? (object)Math.Abs(integer)
                    : Values.TryNumber(value, out double size) ? Math.Abs(size) : throw Unfit(name, value, line);
            case "length" or "count":
                return value switch
                {
                    string s => (long)s.Length - s.Where((c, i) => char.IsLowSurrogate(c) && i > 0 && char.IsHighSurrogate(s[i - 1])).Count(),
                    List<object?> list => list.Count,
                    OrderedDictionary<object, object?> map => map.Count,
                    Undefined => 0L,
                    _ => throw Unfit(name, value, line),
                };
            case "items":
                return value is Undefined ? new List<object?>() : Members.Pairs(AsMap(name, value, line), budget, line);
            case "dictsort":
                return Members.Pairs(AsMap(name, value, line), budget, line)
                    .Order(Comparer<object?>.Create((a, b) => Operations.Order(((List<object?>)a!)[0], ((List<object?>)b!)[0], budget, line))).ToList();
            default:
                return ListFilters.Apply(name, value, call);
        }
    }

    public static string Join(List<object?> items, string separator, Values.Call call)
    {
        StringBuilder text = new();
        for (int i = 0; i < items.Count; i++)
        {
            string part = Str(items[i], call);
            call.Budget.SpendText(call.Line, (long)text.Length + separator.Length + part.Length > Budget.Characters
                ? Budget.Characters + 1 : separator.Length + part.Length);
            text.Append(i > 0 ? separator : "").Append(part);
        }
        return text.ToString();
    }

    public static InputException Unfit(string name, object? value, int line) =>
        TemplateError.At(line, $"the filter '{name}' does not work on {Values.Describe(value)}");

    private static string Str(object? value, Values.Call call) => Printer.Str(value, call.Budget, call.Line);

    private static OrderedDictionary<object, object?> AsMap(string name, object? value, int line) =>
        value as OrderedDictionary<object, object?> ?? throw Unfit(name, value, line);

    private static object ToInteger(object? value, Values.Call call)
    {
        if (Values.TryInteger(value, out long integer))
            return integer;
        bool number = Values.TryNumber(value, out double real)
            || (value is string text && double.TryParse(text.Trim(), NumberStyles.Float, CultureInfo.InvariantCulture, out real));
        if (number && Math.Abs(real) < 9e18)
            return value is string whole && long.TryParse(whole.Trim(), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out integer) ? integer : (long)real;
        return call.Has(0, "default") ? call.Integer(0, "default") : 0L;
    }

    private static string Indent(string text, Values.Call call)
    {
        string blank = call.Get(0, "width") is string given ? given : new string(' ', (int)Math.Clamp(call.Has(0, "width") ? call.Integer(0, "width") : 4, 0, 64));
        bool first = Values.Truth(call.Get(1, "first")), blanks = Values.Truth(call.Get(2, "blank"));
        string[] lines = text.Split('\n');
        call.Budget.SpendText(call.Line, text.Length + (long)lines.Length * blank.Length);
        return string.Join('\n', lines.Select((l, i) => (i == 0 ? first : blanks || l.Length > 0) ? blank + l : l));
    }
}
