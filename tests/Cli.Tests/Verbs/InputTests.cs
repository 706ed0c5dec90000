using Retrieval.TestKit;

namespace Retrieval.Cli.Tests.Verbs;

/// <summary>Files, prompts and models that cannot be used: exit code 1 and one sentence with the remedy.</summary>
public sealed class InputTests
{
    [Fact]
    public void A_missing_file_is_named() => Fails("There is no file '/no/such/file.txt'", "run", "-f", "/no/such/file.txt", "-p", "q");

    [Fact]
    public void A_folder_is_no_text() => Fails("is a folder; give a text file", "run", "-f", SharedFiles.RepositoryRoot, "-p", "q");

    [Fact]
    public void An_empty_prompt_is_refused() => Fails("The prompt is empty", "run", "-p", " ");

    [Fact]
    public void An_empty_file_is_refused()
    {
        using var empty = new TemporaryFile("");
        Fails("holds no text", "run", "-f", empty.File, "-p", "q");
    }

    [Fact]
    public void Bytes_that_are_not_utf8_are_located()
    {
        using var latin = new TemporaryFile([.. "caf"u8, 0xE9, .. " au lait"u8]);
        Fails("is not UTF-8: the byte at offset 3", "run", "-f", latin.File, "-p", "q");
    }

    [Fact]
    public void Empty_standard_input_is_no_text() => Fails("Standard input holds no text", "run", "-f", "-", "-p", "q");

    [Fact]
    public void A_missing_model_is_named() => Fails("/no/such/model", "run", "-m", "/no/such/model", "-p", "q");

    [Fact]
    public void A_missing_tokenizer_is_named() => Fails("/no/such/tokenizer.json", "tokenize", "-m", "/no/such/tokenizer.json");

    [Fact]
    public void A_device_that_is_not_there_is_named() => Fails("'tpu'", "run", "--device", "tpu", "-p", "q");

    private static void Fails(string message, params string[] arguments)
    {
        RetrievalProcess run = RetrievalProcess.Run(arguments);

        Assert.Equal(ExitCode.Error, run.ExitCode);
        Assert.Contains(message, run.Error);
        Assert.Single(run.Error.TrimEnd().Split('\n'));
        Assert.Empty(run.Output);
    }
}
