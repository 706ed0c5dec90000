using System.Globalization;
using System.Text;

namespace Retrieval.Runtime.Text.Jinja;

/// <summary>Functions that every template can call.</summary>
internal static class Globals
{
    private const int LongestRange = 100_000;

    public static Dictionary<string, object?> Create(TimeProvider clock) => new()
    {
        ["range"] = new Function(Range),
        ["namespace"] = new Function(MakeNamespace),
        ["dict"] = new Function(call => Values.Map(call.Named.Select(p => ((object)p.Key, p.Value)))),
        ["raise_exception"] = new Function(call =>
            throw new InputException($"The chat template refuses these messages: {call.Text(0, "message").TrimEnd('.')}; change the messages or send a plain prompt.")),
        ["strftime_now"] = new Function(call => Format(clock.GetLocalNow(), call.Text(0, "format"), call.Line)),
    };

    private static List<object?> Range(Values.Call call)
    {
        bool one = call.Positional.Count == 1;
        long start = one ? 0 : call.Integer(0, "start"), stop = call.Integer(one ? 0 : 1, "stop");
        long step = call.Has(2, "step") ? call.Integer(2, "step") : 1;
        if (step == 0)
            throw TemplateError.At(call.Line, "a range's step cannot be 0");
        List<object?> items = [];
        for (Int128 i = start; step > 0 ? i < stop : i > stop; i += step)
        {
            if (items.Count == LongestRange)
                throw TemplateError.At(call.Line, $"a range has more than {LongestRange:N0} numbers");
            items.Add((long)i);
        }
        call.Budget.Spend(call.Line, items.Count);
        return items;
    }

    private static Namespace MakeNamespace(Values.Call call)
    {
        var space = new Namespace();
        foreach ((object key, object? value) in call.Positional.OfType<OrderedDictionary<object, object?>>().SelectMany(m => m))
            space.Members[key.ToString()!] = value;
        foreach ((string name, object? value) in call.Named)
            space.Members[name] = value;
        return space;
    }

    // Python's strftime; %- leaves out the leading zero.
    private static string Format(DateTimeOffset now, string format, int line)
    {
        StringBuilder text = new();
        for (int i = 0; i < format.Length; i++)
        {
            if (format[i] != '%' || i + 1 == format.Length)
            {
                text.Append(format[i]);
                continue;
            }
            bool bare = format[++i] == '-' && i + 1 < format.Length;
            char code = bare ? format[++i] : format[i];
            string part = Part(now, code) ?? throw TemplateError.At(line, $"the date format '%{code}' is not supported");
            text.Append(bare && part.Length > 1 ? part.TrimStart('0').PadLeft(1, '0') : part);
        }
        return text.ToString();
    }

    private static string? Part(DateTimeOffset now, char code)
    {
        string? format = code switch
        {
            'Y' => "yyyy",
            'y' => "yy",
            'm' => "MM",
            'd' => "dd",
            'B' => "MMMM",
            'b' or 'h' => "MMM",
            'A' => "dddd",
            'a' => "ddd",
            'H' => "HH",
            'I' => "hh",
            'M' => "mm",
            'S' => "ss",
            'p' => "tt",
            'F' => "yyyy-MM-dd",
            'T' => "HH:mm:ss",
            _ => null,
        };
        return code switch
        {
            '%' => "%",
            'j' => now.DayOfYear.ToString("000", CultureInfo.InvariantCulture),
            'e' => now.Day.ToString(CultureInfo.InvariantCulture).PadLeft(2),
            _ => format is null ? null : now.ToString(format, CultureInfo.InvariantCulture),
        };
    }
}
