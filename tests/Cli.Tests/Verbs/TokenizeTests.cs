using System.Text.Json;
using Retrieval.TestKit;

namespace Retrieval.Cli.Tests.Verbs;

public sealed class TokenizeTests
{
    private static readonly string Model = Path.Combine(SharedFiles.RepositoryRoot, "models", "recall-nano");

    [Fact]
    public void Ids_equal_those_of_the_models_golden_file()
    {
        using var golden = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(Model, "golden.json")));
        JsonElement first = golden.RootElement.GetProperty("prompts")[0];

        RetrievalProcess run = RetrievalProcess.RunWithInput(first.GetProperty("prompt").GetString()!, "tokenize", "-m", Model, "--json");

        Assert.Equal(ExitCode.Success, run.ExitCode);
        Assert.Equal(Ids(first.GetProperty("token_ids")), Ids(run.Json.GetProperty("ids")));
    }

    [Fact]
    public void A_tokenizer_file_gives_the_same_ids_as_its_model()
    {
        const string Text = "Hello there, 42 people.\n";

        RetrievalProcess model = RetrievalProcess.RunWithInput(Text, "tokenize");
        RetrievalProcess file = RetrievalProcess.RunWithInput(Text, "tokenize", "-m", Path.Combine(Model, "tokenizer.json"));

        Assert.Equal(ExitCode.Success, file.ExitCode);
        Assert.Equal(model.Output, file.Output);
        Assert.Contains("11 tokens, 24 characters", file.Error);
    }

    [Fact]
    public void Pieces_show_the_text_of_each_id()
    {
        RetrievalProcess run = RetrievalProcess.RunWithInput("42", "tokenize", "--pieces");

        Assert.Equal("22\t\"4\"\n20\t\"2\"\n", run.Output);
    }

    [Fact]
    public void No_text_is_no_tokens()
    {
        RetrievalProcess run = RetrievalProcess.RunWithInput("", "tokenize", "--json");

        Assert.Equal(ExitCode.Success, run.ExitCode);
        Assert.Empty(Ids(run.Json.GetProperty("ids")));
    }

    private static int[] Ids(JsonElement array) => [.. array.EnumerateArray().Select(id => id.GetInt32())];
}
