using System.Numerics.Tensors;

namespace Retrieval.Index;

/// <summary>
/// The second moments of the queries that a group of heads put to one KV head: Σ q qᵀ over a sample of the prompt. They say which
/// differences between keys matter: E|q · (k − k')|² = (k − k')ᵀ H (k − k') (arXiv 2502.12665 uses the same metric).
/// </summary>
/// <param name="dim">Elements of a query.</param>
public sealed class QueryMoments(int dim)
{
    private readonly float[] _sum = new float[dim * dim];

    public int Dim => dim;

    /// <summary>Queries taken in.</summary>
    public int Count { get; private set; }

    /// <summary>Σ q qᵀ, [dim, dim].</summary>
    public ReadOnlySpan<float> Sum => _sum;

    /// <summary>Takes in queries of one token.</summary>
    /// <param name="queries">[group, dim], after RoPE; any common scale.</param>
    public void Add(ReadOnlySpan<float> queries)
    {
        for (; queries.Length >= dim; queries = queries[dim..], Count++)
        {
            ReadOnlySpan<float> query = queries[..dim];
            for (int i = 0; i < dim; i++)
            {
                Span<float> row = _sum.AsSpan(i * dim, dim);
                TensorPrimitives.MultiplyAdd(query, query[i], row, row);
            }
        }
    }

    /// <summary>A copy that later queries do not change.</summary>
    public QueryMoments Copy()
    {
        var copy = new QueryMoments(dim) { Count = Count };
        _sum.CopyTo(copy._sum, 0);
        return copy;
    }

    internal static QueryMoments FromParts(int dim, int count, ReadOnlySpan<float> sum)
    {
        var moments = new QueryMoments(dim) { Count = count };
        sum.CopyTo(moments._sum);
        return moments;
    }
}
