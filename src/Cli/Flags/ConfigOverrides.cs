namespace Retrieval.Cli.Flags;

/// <summary>KEY=VALUE, and llama.cpp's KEY=TYPE:VALUE, whose type is dropped: the configuration knows what it expects.</summary>
internal static class ConfigOverrides
{
    private static readonly string[] Types = ["int:", "float:", "bool:", "str:"];

    public static Dictionary<string, string> Parse(IEnumerable<string> items)
    {
        var values = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (string item in items)
        {
            int equals = item.IndexOf('=');
            if (equals < 1)
                throw new UsageException($"--override-config is '{item}' but must be KEY=VALUE, such as rope_theta=500000.");
            string value = item[(equals + 1)..];
            string? type = Types.FirstOrDefault(type => value.StartsWith(type, StringComparison.Ordinal));
            values[item[..equals]] = value[(type?.Length ?? 0)..];
        }
        return values;
    }
}
