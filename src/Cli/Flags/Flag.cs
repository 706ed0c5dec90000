using System.CommandLine;
using System.CommandLine.Parsing;

namespace Retrieval.Cli.Flags;

/// <summary>
/// Makes options that are mirrored in the environment: --ctx-size is RETRIEVAL_CTX_SIZE. The flag wins over the variable,
/// the variable over the default; both are read by the same parser.
/// </summary>
internal static class Flag
{
    /// <summary>An option with a value.</summary>
    /// <param name="parse">Throws a <see cref="FormatException"/> that says what is expected.</param>
    public static Option<T> Of<T>(string name, string[] aliases, string description, T fallback, Func<string, T> parse) => new(name, aliases)
    {
        Description = description,
        HelpName = "value",
        CustomParser = result => result.Tokens.Count == 0 ? fallback : Read(result, name, result.Tokens[^1].Value, fallback, parse),
        DefaultValueFactory = result => Variable(name) is string value ? Read(result, VariableName(name), value, fallback, parse) : fallback,
    };

    public static Option<string?> Text(string name, string[] aliases, string description, string? fallback = null) =>
        Of<string?>(name, aliases, description, fallback, value => value);

    /// <summary>One of a few words.</summary>
    public static Option<T> Choice<T>(string name, string[] aliases, string description, T fallback, params (string Word, T Value)[] choices) =>
        Of(name, aliases, $"{description} ({string.Join(", ", choices.Select(choice => choice.Word))})", fallback, value =>
        {
            foreach ((string word, T chosen) in choices)
            {
                if (string.Equals(word, value, StringComparison.OrdinalIgnoreCase))
                    return chosen;
            }
            throw new FormatException($"one of {string.Join(", ", choices.Select(choice => choice.Word))}");
        });

    /// <summary>True when given; in the environment 1, true, on, yes or enabled.</summary>
    public static Option<bool> Switch(string name, string[] aliases, string description) => new(name, aliases)
    {
        Description = description,
        DefaultValueFactory = result => Variable(name) is string value && Read(result, VariableName(name), value, false, ParseSwitch),
    };

    /// <summary>An option that may be given several times; the environment gives one value.</summary>
    public static Option<string[]> Repeatable(string name, string[] aliases, string description, string helpName) => new(name, aliases)
    {
        Description = description,
        HelpName = helpName,
        Arity = ArgumentArity.OneOrMore,
        AllowMultipleArgumentsPerToken = false,
        DefaultValueFactory = _ => Variable(name) is string value ? [value] : [],
    };

    public static string VariableName(string flag) => "RETRIEVAL_" + flag.TrimStart('-').Replace('-', '_').ToUpperInvariant();

    private static string? Variable(string flag) => Environment.GetEnvironmentVariable(VariableName(flag)) is { Length: > 0 } value ? value : null;

    private static bool ParseSwitch(string value) => value.ToLowerInvariant() switch
    {
        "1" or "true" or "on" or "yes" or "enabled" => true,
        "0" or "false" or "off" or "no" or "disabled" => false,
        _ => throw new FormatException("on or off"),
    };

    private static T Read<T>(ArgumentResult result, string source, string value, T fallback, Func<string, T> parse)
    {
        try
        {
            return parse(value);
        }
        catch (FormatException expected)
        {
            result.AddError($"{source} is '{value}' but must be {expected.Message}.");
            return fallback;
        }
    }
}
