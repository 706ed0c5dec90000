using Retrieval.Index;
using Retrieval.Offload;

namespace Retrieval.Runtime.Policies;

/// <summary>
/// What is kept of the queries that prompts have put to one layer: second moments of a sample of all of them, for each KV head,
/// and the latest ones themselves. The first say which differences between keys matter, the second what attention gives.
/// </summary>
/// <param name="rotation">Far keys stand at the origin: queries' moments are taken as such queries meet them, turned back to the window's length. Null: as they are.</param>
/// <param name="window">Tokens of the window.</param>
internal sealed class PromptQueries(int kvHeads, int group, int headDim, RowRotation? rotation = null, int window = 0)
{
    /// <summary>Most queries that are kept whole.</summary>
    public const int MostLatest = 32;

    // One token in eight for the moments (and the first of each chunk), one in sixteen whole: those of the default window.
    private const int MomentStride = 8, LatestStride = 16;

    private readonly QueryMoments[] _moments = [.. Enumerable.Range(0, kvHeads).Select(_ => new QueryMoments(headDim))];
    private readonly Queue<Latest> _latest = new();

    /// <summary>Moments for each KV head.</summary>
    public IReadOnlyList<QueryMoments> Moments => _moments;

    /// <summary>The latest queries, oldest first.</summary>
    public IEnumerable<Latest> LatestQueries => _latest;

    /// <summary>Takes in the queries of a chunk.</summary>
    /// <param name="position">Position of the first token.</param>
    /// <param name="queries">[tokens, kvHeads, group, headDim], after RoPE, not scaled.</param>
    /// <param name="workers">Take the KV heads between them.</param>
    public void Add(int position, ReadOnlySpan<float> queries, WorkerPool workers)
    {
        int width = group * headDim, token = kvHeads * width, tokens = queries.Length / token;
        AddMoments(position, queries, tokens, workers);
        int first = (position + LatestStride - 1) / LatestStride * LatestStride - position, kept = (tokens - first + LatestStride - 1) / LatestStride;
        for (int t = first + Math.Max(0, kept - MostLatest) * LatestStride; t < tokens; t += LatestStride)
        {
            if (_latest.Count == MostLatest)
                _latest.Dequeue();
            _latest.Enqueue(new Latest(position + t, queries.Slice(t * token, token).ToArray()));
        }
    }

    /// <summary>Forgets whole queries from a position on; moments cannot forget.</summary>
    public void Truncate(int length)
    {
        Latest[] kept = [.. _latest.Where(query => query.Position < length)];
        _latest.Clear();
        foreach (Latest query in kept)
            _latest.Enqueue(query);
    }

    /// <summary>A copy that later queries do not change.</summary>
    public PromptQueries Copy()
    {
        var copy = new PromptQueries(kvHeads, group, headDim, rotation, window);
        for (int head = 0; head < kvHeads; head++)
            copy._moments[head] = _moments[head].Copy();
        foreach (Latest query in _latest)
            copy._latest.Enqueue(query);
        return copy;
    }

    private unsafe void AddMoments(int position, ReadOnlySpan<float> queries, int tokens, WorkerPool workers)
    {
        int width = group * headDim, token = kvHeads * width, sampled = (tokens + MomentStride - 1) / MomentStride;
        fixed (float* pinned = queries)
        {
            float* all = pinned;
            workers.For(kvHeads, 1, (_, begin, end) =>
            {
                for (int head = begin; head < end; head++)
                {
                    var sample = new float[sampled * width];
                    for (int i = 0; i < sampled; i++)
                    {
                        Span<float> one = sample.AsSpan(i * width, width);
                        new ReadOnlySpan<float>(all + (long)i * MomentStride * token + head * width, width).CopyTo(one);
                        fixed (float* rows = one)
                            rotation?.Turn(rows, group, headDim, -Math.Max(0, position + i * MomentStride - window));
                    }
                    _moments[head].Add(sample);
                }
            });
        }
    }

    /// <param name="Position">Position of the token.</param>
    /// <param name="Queries">[kvHeads, group, headDim], after RoPE, not scaled.</param>
    public sealed record Latest(int Position, float[] Queries);
}
