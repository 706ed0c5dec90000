using System.Numerics.Tensors;
using Retrieval.Index;
using Retrieval.Offload;

namespace Retrieval.Scenarios.Frontier;

/// <summary>The queries of a group at one position, what sinks and window give them, and what all tokens should.</summary>
internal sealed unsafe class TestQuery
{
    // Pinned: kernels take addresses.
    private readonly float[] _scaled;
    private readonly PartialMemory _resident, _sum;
    private readonly float[] _expected;

    /// <param name="queries">[group, dim], after RoPE, not scaled.</param>
    /// <param name="expected">[group, dim]</param>
    public TestQuery(QkvFile file, int position, ReadOnlySpan<float> queries, float[] expected)
    {
        _scaled = GC.AllocateArray<float>(queries.Length, pinned: true);
        TensorPrimitives.Multiply(queries, 1 / MathF.Sqrt(file.Dim), _scaled);
        _expected = expected;
        _resident = new PartialMemory(file.Group, file.Dim);
        _sum = new PartialMemory(file.Group, file.Dim);
        HostAttention.Attend(file.Store, 0, 0, 0, QkvFile.Sinks, Scaled, _resident.Partial);
        HostAttention.Attend(file.Store, 0, 0, file.FarEnd, position + 1, Scaled, _sum.Partial);
        _resident.Partial.Merge(_sum.Partial);
    }

    /// <summary>[group, dim], scaled so that a dot product is a logit.</summary>
    public float* Scaled => (float*)System.Runtime.CompilerServices.Unsafe.AsPointer(ref _scaled[0]);

    /// <summary>[group, dim], as <see cref="Scaled"/>.</summary>
    public ReadOnlySpan<float> Queries => _scaled;

    /// <summary>[group], log-sum-exp of sinks and window.</summary>
    public ResidentAttention Resident => new(
        new ReadOnlySpan<float>(_resident.Partial.Output, _resident.Partial.Heads * _resident.Partial.Dim), new ReadOnlySpan<float>(_resident.Partial.LogSumExp, _resident.Partial.Heads));

    /// <summary>Attention over sinks, window and far rows, [group, dim]; valid until the next call.</summary>
    public ReadOnlySpan<float> MergedWith(AttentionPartial far)
    {
        AttentionPartial sum = _sum.Partial;
        sum.Clear();
        sum.Merge(_resident.Partial);
        sum.Merge(far);
        return new ReadOnlySpan<float>(sum.Output, sum.Heads * sum.Dim);
    }

    /// <summary>What is missing from the exact output of each head, relative to it, when the far rows are attended to like this.</summary>
    public void Errors(AttentionPartial far, Span<float> errors)
    {
        MergedWith(far);
        AttentionPartial sum = _sum.Partial;
        for (int head = 0; head < sum.Heads; head++)
        {
            ReadOnlySpan<float> output = new(sum.Output + head * sum.Dim, sum.Dim), expected = _expected.AsSpan(head * sum.Dim, sum.Dim);
            errors[head] = TensorPrimitives.Distance(output, expected) / TensorPrimitives.Norm(expected);
        }
    }
}
