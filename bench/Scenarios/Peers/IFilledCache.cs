using System.Diagnostics;
using Retrieval.Runtime;
using Retrieval.Scenarios.Decoding;

namespace Retrieval.Scenarios.Peers;

/// <summary>A sequence of some depth from which decode is measured again and again.</summary>
internal interface IFilledCache : IDisposable
{
    /// <summary>Generates greedily past the end token, then forgets what was generated.</summary>
    /// <returns>Milliseconds a token, the first not counted.</returns>
    double Generate(int tokens);
}

/// <summary>A session that has read the tokens.</summary>
internal sealed class ReadCache : IFilledCache
{
    private readonly Engine _engine;
    private readonly Session _session;
    private readonly int _last;

    public ReadCache(Engine engine, int[] ids)
    {
        (_engine, _last) = (engine, ids[^1]);
        _session = engine.NewSession();
        _session.Append(ids);
    }

    public double Generate(int tokens)
    {
        _session.RewindTo(_session.Length - 1);
        int depth = _session.Length + 1;
        GenerationResult result = TextGenerator.Generate(_engine, _session, [_last], new GenerationOptions { MaxTokens = tokens, IgnoreEnd = true });
        _session.RewindTo(depth);
        return result.MillisecondsPerToken;
    }

    public void Dispose() => _session.Dispose();
}

/// <summary>A state whose rows are made up.</summary>
internal sealed class SyntheticCache : IFilledCache
{
    private const int FirstToken = 1;

    private readonly DecodeRig _rig;
    private readonly SequenceState _state;
    private readonly int _depth;

    public SyntheticCache(DecodeRig rig, SyntheticKv rows, PeerPlan plan, int depth)
    {
        (_rig, _depth) = (rig, depth - 1);
        _state = rig.NewState(plan.Policy);
        rows.Fill(_state, _depth, _ => { });
    }

    public double Generate(int tokens)
    {
        (int token, _) = _rig.Step(_state, FirstToken);
        long begin = Stopwatch.GetTimestamp();
        for (int i = 1; i < tokens; i++)
            (token, _) = _rig.Step(_state, token);
        double milliseconds = Stopwatch.GetElapsedTime(begin).TotalMilliseconds / (tokens - 1);
        _state.RewindTo(_depth);
        return milliseconds;
    }

    public void Dispose() => _state.Dispose();
}
