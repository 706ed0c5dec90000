using Retrieval.Runtime;

namespace Retrieval.Cli;

/// <summary>Runs a verb and turns whatever goes wrong into one sentence on standard error and an exit code.</summary>
internal static class Failure
{
    public static int Guard(Terminal terminal, Func<int> verb)
    {
        try
        {
            int code = verb();
            terminal.Flush();
            return code;
        }
        catch (OperationCanceledException)
        {
            return Report(terminal, ExitCode.Interrupted, "interrupted.");
        }
        catch (ContextOverflowException overflow)
        {
            return Report(terminal, ExitCode.ContextOverflow, overflow.Message);
        }
        catch (UsageException usage)
        {
            return Report(terminal, ExitCode.Usage, usage.Message);
        }
        catch (InputException input)
        {
            return Report(terminal, ExitCode.Error, input.Message);
        }
        catch (InsufficientMemoryException plan)
        {
            return Report(terminal, ExitCode.OutOfMemory,
                $"{plan.Message}; shorten the text, close other programs, use a smaller model, or give --force to try all the same.");
        }
        catch (Exception memory) when (IsOutOfMemory(memory))
        {
            return Report(terminal, ExitCode.OutOfMemory,
                $"out of memory ({FirstLine(memory.Message)}); lower --ctx-size or --prefill-chunk, shorten the text, or use a smaller model.");
        }
        catch (IOException pipe) when (pipe.Message.Contains("Broken pipe", StringComparison.OrdinalIgnoreCase))
        {
            return ExitCode.BrokenPipe;
        }
        catch (Exception unexpected) when (Environment.GetEnvironmentVariable("RETRIEVAL_DEBUG") is null or "")
        {
            return Report(terminal, ExitCode.Error,
                $"internal error: {unexpected.GetType().Name}: {FirstLine(unexpected.Message)} (set RETRIEVAL_DEBUG=1 to see where).");
        }
    }

    private static int Report(Terminal terminal, int code, string message)
    {
        terminal.TryFlush();
        terminal.Error.WriteLine($"retrieval: {message}");
        return code;
    }

    /// <summary>libtorch reports its own failed allocations as foreign exceptions.</summary>
    private static bool IsOutOfMemory(Exception exception) =>
        exception is OutOfMemoryException
        || (exception is System.Runtime.InteropServices.ExternalException
            && (exception.Message.Contains("out of memory", StringComparison.OrdinalIgnoreCase)
                || exception.Message.Contains("allocate memory", StringComparison.OrdinalIgnoreCase)));

    private static string FirstLine(string message) => message.Split('\n')[0].TrimEnd('.', ' ', '\r');
}

/// <summary>The command line itself does not make sense, although each flag is well formed.</summary>
internal sealed class UsageException(string message) : Exception(message)
{
    /// <summary>Options that came from flags are a matter of usage when they are out of range.</summary>
    public static void Check(Action validate)
    {
        try
        {
            validate();
        }
        catch (InputException problem)
        {
            throw new UsageException(problem.Message);
        }
    }
}
