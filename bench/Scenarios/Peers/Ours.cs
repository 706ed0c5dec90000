using System.Text;
using Retrieval.Evaluation;
using Retrieval.Runtime;
using Retrieval.Scenarios.Decoding;

namespace Retrieval.Scenarios.Peers;

/// <summary>This project's side of the comparison: a fresh session a prompt, greedy, past the end token.</summary>
internal sealed class Ours : IDisposable
{
    private readonly Engine _engine;
    private readonly PeerPlan _plan;
    private readonly DecodeRig? _rig;
    private readonly SyntheticKv? _rows;

    public Ours(PeerPlan plan)
    {
        _plan = plan;
        int longest = plan.Lengths.Concat(plan.Depths).Max() + plan.Tokens;
        _engine = Engine.Load(new EngineOptions { Model = plan.Model, Threads = plan.Threads, ContextLimit = longest, Policy = plan.Policy });
        if (!plan.Synthetic)
            return;
        _rig = new DecodeRig(plan.Model, plan.Threads);
        _rows = new SyntheticKv(_rig.Config, _rig.Sample(seed: 1));
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

    /// <summary>Random token ids, the same for both sides.</summary>
    public int[] Filler(int depth)
    {
        var random = new SeededRandom(1);
        return [.. Enumerable.Range(0, depth).Select(_ => random.Next(_engine.Config.Vocabulary))];
    }

    public Speed Measure(int[] ids)
    {
        using Session session = _engine.NewSession();
        GenerationResult result = TextGenerator.Generate(_engine, session, ids, new GenerationOptions { MaxTokens = _plan.Tokens, IgnoreEnd = true });
        return new Speed(ids.Length / result.Prefill.TotalSeconds, result.MillisecondsPerToken);
    }

    public IFilledCache Fill(int[] ids)
        => _rig is null ? new ReadCache(_engine, ids) : new SyntheticCache(_rig, _rows!, _plan, ids.Length);

    public void Dispose()
    {
        _rig?.Dispose();
        _engine.Dispose();
    }
}
