namespace Retrieval.Cli;

internal static class ExitCode
{
    public const int Success = 0;
    public const int Error = 1;
    public const int Usage = 2;
    public const int ContextOverflow = 3;
    public const int OutOfMemory = 4;

    /// <summary>128 + SIGINT, as shells report it.</summary>
    public const int Interrupted = 130;

    /// <summary>128 + SIGPIPE: the reader of our output has gone.</summary>
    public const int BrokenPipe = 141;
}
