using System.Buffers;
using System.Text;
using System.Text.Unicode;
using Retrieval.Runtime;

namespace Retrieval.Cli;

/// <summary>Reads text from files and standard input: strict UTF-8, nothing cut or replaced.</summary>
internal static class TextInput
{
    /// <summary>Largest text; a .NET string holds no more than about a billion characters.</summary>
    private const long MaximumBytes = 1_000_000_000;

    public static string ReadFile(string path)
    {
        if (path.Length == 0)
            throw new InputException("The name of the text file is empty; give a path after -f.");
        if (Directory.Exists(path))
            throw new InputException($"'{path}' is a folder; give a text file.");
        if (!File.Exists(path))
            throw new InputException($"There is no file '{path}'; check the path.");
        try
        {
            long length = new FileInfo(path).Length;
            if (length > MaximumBytes)
                throw new InputException($"'{path}' has {length:N0} bytes but at most {MaximumBytes:N0} can be read; split it.");
            return Decode(File.ReadAllBytes(path), $"'{path}'");
        }
        catch (Exception refused) when (refused is UnauthorizedAccessException or IOException)
        {
            throw new InputException($"'{path}' cannot be read: {refused.Message.TrimEnd('.')}; check its permissions.", refused);
        }
    }

    /// <summary>Everything up to the end of standard input; says what it is waiting for if nothing comes.</summary>
    public static string ReadInput(TextWriter error)
    {
        using Stream input = Console.OpenStandardInput();
        using var hint = new Timer(_ => error.WriteLine("retrieval: reading text from standard input until its end (Ctrl-D); use </dev/null if there is none."),
            null, TimeSpan.FromSeconds(3), Timeout.InfiniteTimeSpan);
        var bytes = new MemoryStream();
        byte[] buffer = new byte[64 * 1024];
        for (int read; (read = input.Read(buffer)) > 0;)
        {
            hint.Change(Timeout.Infinite, Timeout.Infinite);
            if (bytes.Length + read > MaximumBytes)
                throw new InputException($"Standard input has more than the {MaximumBytes:N0} bytes that can be read; split the text.");
            bytes.Write(buffer, 0, read);
        }
        return Decode(bytes.GetBuffer().AsSpan(0, (int)bytes.Length), "Standard input");
    }

    /// <summary>One line of standard input, or several joined where they end in a backslash; null at its end.</summary>
    public static string? ReadLines()
    {
        string? line = Console.In.ReadLine();
        while (line is [.., '\\'])
            line = line[..^1] + "\n" + Console.In.ReadLine();
        return line;
    }

    private static string Decode(ReadOnlySpan<byte> bytes, string source)
    {
        ReadOnlySpan<byte> mark = Encoding.UTF8.Preamble;
        int skipped = bytes.StartsWith(mark) ? mark.Length : 0;
        bytes = bytes[skipped..];
        if (Utf8.IsValid(bytes))
            return Encoding.UTF8.GetString(bytes);
        throw new InputException($"{source} is not UTF-8: the byte at offset {FirstInvalid(bytes) + skipped:N0} begins no character; convert it first, for instance with iconv -t utf-8.");
    }

    private static long FirstInvalid(ReadOnlySpan<byte> bytes)
    {
        long offset = 0;
        while (Rune.DecodeFromUtf8(bytes, out _, out int length) == OperationStatus.Done)
        {
            offset += length;
            bytes = bytes[length..];
        }
        return offset;
    }
}
