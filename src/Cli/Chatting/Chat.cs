using Retrieval.Evaluation;
using Retrieval.Runtime;
using Retrieval.Runtime.Text;

namespace Retrieval.Cli;

/// <summary>A conversation over one session. Each turn appends only what the session has not read yet.</summary>
internal sealed class Chat(Terminal terminal, Engine engine, Session session, PromptForm form, string? document, GenerationOptions options)
{
    private readonly List<ChatMessage> _messages = [];
    private bool _warned;
    private readonly SessionText _read = new(engine.Tokenizer, session, form.ConversationAddsSpecial(document));

    public void Clear() => _messages.Clear();

    /// <summary>Puts a question and streams the answer. If it fails or is stopped while reading, the question is forgotten.</summary>
    public void Answer(string question, CancellationToken cancel)
    {
        _messages.Add(new ChatMessage("user", question));
        int[] unread;
        GenerationResult result;
        var display = new PrefillDisplay(terminal, "reading");
        try
        {
            unread = _read.Unread(form.Conversation(document, _messages));
            long needed = (long)session.Length + unread.Length + options.MaxTokens;
            if (!_warned && needed > engine.Config.TrainedContext)
            {
                _warned = true;
                ContextWarning.Write(terminal.Error, engine, needed);
            }
            engine.RequireRoom(needed);
            PlanDisplay.Show(terminal.Error, session, unread);
            result = TextGenerator.Generate(engine, session, unread, options, text =>
            {
                display.Finish();
                terminal.Stream(text, json: false);
            }, display, cancel);
        }
        catch (Exception problem)
        {
            if (problem is OperationCanceledException)
                display.Stopped();
            else
                display.Finish();
            _messages.RemoveAt(_messages.Count - 1);
            throw;
        }
        display.Finish();
        terminal.Stream("\n", json: false);
        _read.Record(unread, result.Tokens);
        _messages.Add(new ChatMessage("assistant", result.Text));
    }
}
