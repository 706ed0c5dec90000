namespace Retrieval.Cli.Flags;

/// <summary>KEY=VALUE pairs; the checkpoint interprets the values (JSON, plain text, or llama.cpp's TYPE:VALUE).</summary>
internal static class ConfigOverrides
{
    public static Dictionary<string, string> Parse(IEnumerable<string> items)
    {
        var values = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (string item in items)
        {
            int equals = item.IndexOf('=');
            if (equals < 1)
                throw new UsageException($"--override-config is '{item}' but must be KEY=VALUE, such as rope_theta=500000.");
            values[item[..equals]] = item[(equals + 1)..];
        }
        return values;
    }
}
