using System.Text;

namespace Retrieval.Cli;

/// <summary>
/// The three streams, UTF-8 whatever the locale says. Results go to <see cref="Human"/>: standard output, or with
/// --json standard error, because then standard output holds the one document.
/// </summary>
internal sealed class Terminal
{
    private readonly StreamWriter _output;

    public Terminal()
    {
        _output = new StreamWriter(Console.OpenStandardOutput(), new UTF8Encoding(false), 16 * 1024) { AutoFlush = false };
        Error = new StreamWriter(Console.OpenStandardError(), new UTF8Encoding(false), 1024) { AutoFlush = true };
    }

    public TextWriter Output => _output;

    public TextWriter Error { get; }

    /// <summary>Progress may be redrawn in place.</summary>
    public bool ErrorIsTerminal { get; } = !Console.IsErrorRedirected;

    public static bool InputIsTerminal => !Console.IsInputRedirected;

    /// <summary>Where people read results.</summary>
    public TextWriter Human(bool json) => json ? Error : Output;

    /// <summary>Writes a piece of generated text and shows it at once.</summary>
    public void Stream(string text, bool json)
    {
        TextWriter writer = Human(json);
        writer.Write(text);
        writer.Flush();
    }

    /// <summary>Writes the document that ends a run with --json.</summary>
    public void WriteJson(object document) => _output.WriteLine(Json.Serialize(document));

    public void Flush() => _output.Flush();

    public void TryFlush()
    {
        try
        {
            _output.Flush();
        }
        catch (IOException)
        {
            // The reader has gone; the error that brought us here is the one to report.
        }
    }
}
