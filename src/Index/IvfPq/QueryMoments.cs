using System.Numerics.Tensors;
using Retrieval.Index.Kernels;

namespace Retrieval.Index;

/// <summary>
/// The second moments of the queries that a group of heads put to one KV head: Σ q qᵀ over a sample of the prompt. They say which
/// differences between keys matter: E|q · (k − k')|² = (k − k')ᵀ H (k − k') (arXiv 2502.12665 uses the same metric).
/// </summary>
/// <param name="dim">Elements of a query.</param>
public sealed class QueryMoments(int dim)
{
    // Queries whose outer products are one small matrix product.
    private const int Panel = 32;

    private readonly float[] _sum = new float[dim * dim];

    public int Dim => dim;

    /// <summary>Queries taken in.</summary>
    public int Count { get; private set; }

    /// <summary>Σ q qᵀ, [dim, dim].</summary>
    public ReadOnlySpan<float> Sum => _sum;

    /// <summary>Takes in queries of one token or of several.</summary>
    /// <param name="queries">[queries, dim], after RoPE; any common scale.</param>
    public void Add(ReadOnlySpan<float> queries)
    {
        int count = queries.Length / dim, some = dim % 16 == 0 ? count / Panel * Panel : 0;
        for (int first = 0; first < some; first += Panel)
            AddPanel(queries.Slice(first * dim, Panel * dim));
        for (int i = some; i < count; i++)
            AddOne(queries.Slice(i * dim, dim));
        Count += count;
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

    private void AddOne(ReadOnlySpan<float> query)
    {
        for (int i = 0; i < dim; i++)
        {
            Span<float> row = _sum.AsSpan(i * dim, dim);
            TensorPrimitives.MultiplyAdd(query, query[i], row, row);
        }
    }

    private unsafe void AddPanel(ReadOnlySpan<float> queries)
    {
        var columns = new float[dim * Panel];
        fixed (float* from = queries, transposed = columns, sum = _sum)
        {
            Transpose.Apply(from, Panel, dim, transposed, Panel);
            PanelMultiply.Multiply(transposed, Panel, from, dim, sum, dim, dim, Panel, dim, accumulate: true);
        }
    }
}
