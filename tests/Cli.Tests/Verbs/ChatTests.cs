using Retrieval.Evaluation;

namespace Retrieval.Cli.Tests.Verbs;

public sealed class ChatTests
{
    [Fact]
    public void A_piped_conversation_about_a_text_answers_line_by_line()
    {
        string prose = string.Concat(Prose.Sentences(seed: 4).Take(60));
        using var text = new TemporaryFile($"{prose} The door code for Clara Quill is 70345. Edwin Moss's favourite fruit is plum. {prose}");
        const string Input = """
            What is the door code for Clara Quill?
            /help

            /what
            What is Edwin Moss's favourite fruit?
            /clear
            What is the door code for Clara Quill?
            /exit
            never read
            """;

        RetrievalProcess run = RetrievalProcess.RunWithInput(Input, "chat", "-f", text.File, "-n", "16");

        Assert.Equal(ExitCode.Success, run.ExitCode);
        Assert.Equal(["70345", "plum", "70345"], run.Output.TrimEnd().Split('\n').Select(line => line.Trim()));
        Assert.Contains("There is no command /what", run.Error);
        Assert.Contains("forgotten", run.Error);
    }

    [Fact]
    public void The_end_of_input_ends_the_conversation()
    {
        RetrievalProcess run = RetrievalProcess.RunWithInput("", "chat");

        Assert.Equal(ExitCode.Success, run.ExitCode);
        Assert.Empty(run.Output);
    }

    [Fact]
    public void Without_a_template_there_is_no_conversation()
    {
        RetrievalProcess run = RetrievalProcess.RunWithInput("hello\n", "chat", "--chat-template", "off");

        Assert.Equal(ExitCode.Error, run.ExitCode);
        Assert.Contains("has no chat template, or it is off", run.Error);
    }
}
