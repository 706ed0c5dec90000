using System.CommandLine;
using Retrieval.Cli.Flags;
using Retrieval.Evaluation;
using Retrieval.Runtime;

namespace Retrieval.Cli.Verbs;

/// <summary><c>retrieval chat</c>: a conversation, optionally about a text; the session keeps what was read.</summary>
internal static class ChatVerb
{
    private const string Help = "/clear forgets the conversation, /exit (or Ctrl-D) ends it, Ctrl-C stops an answer; a line that ends in \\ goes on in the next one.";

    public static Command Create(Terminal terminal)
    {
        var command = new Command("chat", "Talk with a model, also about a text given with -f.");
        var prompt = new PromptFlags();
        var model = new ModelFlags();
        var policy = new PolicyFlags();
        var generation = new GenerationFlags();
        prompt.AddTo(command, question: false);
        model.AddTo(command);
        policy.AddTo(command);
        generation.AddTo(command);

        command.SetAction(parsed => Failure.Guard(terminal, () =>
        {
            GenerationOptions options = generation.Read(parsed);
            EngineOptions engineOptions = model.Read(parsed, policy.Read(parsed));
            string? file = prompt.File(parsed);
            if (file == "-")
                throw new UsageException("-f - would read the text from standard input, which chat needs for your questions; give a file.");
            string? document = file is null ? null : TextInput.ReadFile(file);

            using var interrupt = new Interrupt();
            using Engine engine = Engine.Load(engineOptions);
            PromptForm form = prompt.Form(parsed, engine);
            form.RequireTemplate();
            using Session session = engine.NewSession();
            var chat = new Chat(terminal, engine, session, form, document, options);
            return Talk(terminal, chat, engine, interrupt);
        }));
        return command;
    }

    private static int Talk(Terminal terminal, Chat chat, Engine engine, Interrupt interrupt)
    {
        terminal.Error.WriteLine($"{engine.ModelName}. {Help}");
        while (true)
        {
            interrupt.Idle();
            if (Terminal.InputIsTerminal)
                terminal.Stream("> ", json: false);
            string? line = TextInput.ReadLines();
            switch (line?.Trim())
            {
                case null or "/exit" or "/quit" or "/bye":
                    return ExitCode.Success;
                case "":
                    continue;
                case "/help" or "/?":
                    terminal.Error.WriteLine(Help);
                    continue;
                case "/clear":
                    chat.Clear();
                    terminal.Error.WriteLine("The conversation is forgotten.");
                    continue;
                case ['/', ..] unknown:
                    terminal.Error.WriteLine($"There is no command {unknown.Split(' ')[0]}. {Help}");
                    continue;
            }
            interrupt.Begin();
            try
            {
                chat.Answer(line!, interrupt.Token);
            }
            catch (OperationCanceledException)
            {
                // Chat.Answer has said how far it came.
            }
            catch (ContextOverflowException overflow)
            {
                // The conversation up to here is intact: the user may /clear and go on.
                terminal.Error.WriteLine($"retrieval: {overflow.Message}");
                if (!Terminal.InputIsTerminal)
                    return ExitCode.ContextOverflow;
            }
            catch (InsufficientMemoryException plan)
            {
                terminal.Error.WriteLine($"retrieval: {plan.Message}; /clear, ask about less, or start again with --force to try all the same.");
                if (!Terminal.InputIsTerminal)
                    return ExitCode.OutOfMemory;
            }
        }
    }
}
