using System.Numerics.Tensors;
using Retrieval.Index;
using Retrieval.Offload;
using Retrieval.Runtime.Policies;

namespace Retrieval.Scenarios.Divergence;

/// <summary>A policy that is checked at every step and layer: how far each head's output is from attention over all of the same rows.</summary>
internal sealed record ProbedPolicy : RetrievalPolicy
{
    private readonly RetrievalPolicy _inner;
    private readonly List<float> _errors;

    /// <param name="errors">Receives |o − o_full| / |o_full| of every query head.</param>
    public ProbedPolicy(RetrievalPolicy inner, List<float> errors)
    {
        (_inner, _errors) = (inner, errors);
        (Sinks, Window) = (inner.Sinks, inner.Window);
    }

    public override string Name => _inner.Name;

    internal override bool PacksRows => _inner.PacksRows;

    internal override ITokenSelector CreateSelector(LayerContext layer) => new Selector(_inner.CreateSelector(layer), layer, _errors);

    private sealed unsafe class Selector(ITokenSelector inner, LayerContext layer, List<float> errors) : ITokenSelector
    {
        public long IndexBytes => inner.IndexBytes;

        public long BytesRead => inner.BytesRead;

        public int Searched => inner.Searched;

        public void Prefill(int rows, PromptQueries queries) => inner.Prefill(rows, queries);

        public void Append(int rows) => inner.Append(rows);

        public void Truncate(int rows) => inner.Truncate(rows);

        public void Settle() => inner.Settle();

        public void Select(in DecodeQuery query, Selection selection)
        {
            inner.Select(query, selection);
            int dim = query.HeadDim, floats = AttentionPartial.Floats(query.Group, dim), far = Math.Min(Searched, layer.Store.Length(layer.Layer) - layer.Sinks);
            float[] memory = GC.AllocateArray<float>(2 * floats, pinned: true);
            fixed (float* data = memory)
            {
                AttentionPartial found = new(data, query.Group, dim), exact = new(data + floats, query.Group, dim);
                for (int head = 0; head < layer.Store.Layout.KvHeads; head++)
                {
                    float* queries = (float*)query.Queries + (long)head * query.Group * dim;
                    HostAttention.Attend(layer.Store, layer.Layer, head, selection.Rows(head), queries, found);
                    if (selection.Estimate(head) is { } estimate)
                        found.Merge(estimate);
                    found.Merge(query.AttendedBy(head));
                    HostAttention.Attend(layer.Store, layer.Layer, head, layer.Sinks, layer.Sinks + far, queries, exact);
                    exact.Merge(query.AttendedBy(head));
                    for (int g = 0; g < query.Group; g++)
                    {
                        ReadOnlySpan<float> expected = new(exact.Output + g * dim, dim);
                        errors.Add(TensorPrimitives.Distance(new ReadOnlySpan<float>(found.Output + g * dim, dim), expected) / TensorPrimitives.Norm(expected));
                    }
                }
            }
        }

        public void Dispose() => inner.Dispose();
    }
}
