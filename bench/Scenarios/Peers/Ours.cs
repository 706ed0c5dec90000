using System.Text;
using Retrieval.Evaluation;
using Retrieval.Runtime;

namespace Retrieval.Scenarios.Peers;

/// <summary>This project's side of the comparison: a fresh session a measurement, greedy, past the end token.</summary>
internal sealed class Ours : IDisposable
{
    private readonly Engine _engine;
    private readonly PeerPlan _plan;

    public Ours(PeerPlan plan)
    {
        _plan = plan;
        int longest = plan.Lengths.Max() + plan.Tokens;
        _engine = Engine.Load(new EngineOptions { Model = plan.Model, Threads = plan.Threads, ContextLimit = longest });
    }

    public string ModelName => _engine.ModelName;

    /// <summary>Token ids of prose, the same for both sides.</summary>
    public int[] Prompt(int length)
    {
        var text = new StringBuilder();
        foreach (string sentence in Prose.Sentences(seed: 1).TakeWhile(_ => text.Length < length * 8))
            text.Append(sentence);
        int[] ids = _engine.Tokenizer.Encode(text.ToString());
        return ids.Length >= length ? ids[..length] : throw new InvalidOperationException($"{text.Length} characters gave only {ids.Length} tokens.");
    }

    public Speed Measure(int[] ids)
    {
        using Session session = _engine.NewSession();
        GenerationResult result = TextGenerator.Generate(_engine, session, ids, new GenerationOptions { MaxTokens = _plan.Tokens, IgnoreEnd = true });
        return new Speed(ids.Length / result.Prefill.TotalSeconds, result.MillisecondsPerToken);
    }

    public void Dispose() => _engine.Dispose();
}
