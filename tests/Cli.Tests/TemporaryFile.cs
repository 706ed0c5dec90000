namespace Retrieval.Cli.Tests;

/// <summary>A file that goes with the test.</summary>
internal sealed class TemporaryFile : IDisposable
{
    public TemporaryFile(ReadOnlySpan<byte> content, string extension = ".txt")
    {
        File = Path.Combine(Path.GetTempPath(), $"retrieval-{Guid.NewGuid():N}{extension}");
        System.IO.File.WriteAllBytes(File, content);
    }

    public TemporaryFile(string content, string extension = ".txt") : this(System.Text.Encoding.UTF8.GetBytes(content), extension)
    {
    }

    public string File { get; }

    public void Dispose() => System.IO.File.Delete(File);
}
