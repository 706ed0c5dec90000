using System.Numerics.Tensors;
using Retrieval.Index.Kernels;

namespace Retrieval.Index;

/// <summary>
/// <see cref="Cascade"/> for the queries of many tokens, as prefill has them: lists → codes → rows. What all queries do alike,
/// scoring lists and weighing their mean values, is done for the block as matrix products; which lists to open and which rows to
/// read is each token's own choice, because a choice that tokens share loses what each of them needs. Chosen rows are read whole,
/// key and value. One instance serves one thread; its scratch memory grows to the largest block.
/// </summary>
public sealed unsafe class BlockCascade
{
    private readonly ListPanels _panels = new();
    private readonly TokenSearch _search = new();
    private readonly PinnedMemory<float> _x = new(), _energies = new(), _logits = new(), _mass = new(), _scores = new(), _extremes = new(), _total = new(), _shift = new(), _sum = new(), _tilt = new();

    /// <summary>Attention of the queries of some tokens over the rows of the first segments of an index.</summary>
    /// <param name="rows">The packed rows of each segment.</param>
    /// <param name="segments">How many of the segments the tokens see.</param>
    /// <param name="queries">[tokens, group, dim], scaled so that a dot product is a logit.</param>
    /// <param name="resident">[tokens, group]: log-sum-exp of what is attended to anyway; it decides what else is worth reading.</param>
    /// <param name="output">[tokens, group, dim]</param>
    /// <param name="logSumExp">[tokens, group]</param>
    public void Run(
        IvfPqIndex index, ReadOnlySpan<PackedRows> rows, int segments, float* queries, int tokens, int group, float* resident, BlockBudget budget, float* output, float* logSumExp)
    {
        int dim = index.Codec.Dim, count = tokens * group;
        _panels.Begin(index, segments);
        int stride = _panels.Stride;
        float* x = _x.Grow((long)count * dim), total = _total.Grow(count), sum = _sum.Grow(count), tilt = _tilt.Grow(count);
        float* logits = _logits.Grow((long)count * stride), mass = _mass.Grow((long)count * stride), energies = _energies.Grow((long)count * IvfPqCodec.Bands);
        float* scores = _scores.Grow(stride), shift = _shift.Grow((long)count * dim), extremes = _extremes.Grow((long)count * ListScores.ExtremeFloats);
        index.Codec.Transform(new ReadOnlySpan<float>(queries, count * dim), x);
        ListScores.Energies(index.Codec, x, count, energies);
        _panels.Score(x, energies, count, logits, mass, extremes);

        if (index.Codec.Sharp)
            budget = budget with { Opened = budget.OpenedIfSharp, ListShare = 0 };
        new Span<float>(output, count * dim).Clear();
        _search.Begin(index, rows, group, stride);
        for (int token = 0; token < tokens; token++)
        {
            int first = token * group;
            long lists = (long)first * stride;
            for (int g = 0; g < group; g++)
            {
                int query = first + g;
                total[query] = ListShares.Take(mass + (long)query * stride, stride, ListScores.Extremes(extremes + query * ListScores.ExtremeFloats), resident[query], scores, first: g == 0);
            }
            _search.Run(
                new TokenQueries(queries + first * dim, x + first * dim, logits + lists, mass + lists, total + first), scores, _panels.Sizes, budget,
                output + first * dim, sum + first, tilt + first);
        }

        _panels.AddMeans(mass, count, output);
        fixed (float* covariance = index.Codec.ValueCovariance)
            PanelMultiply.Multiply(x, dim, covariance, dim, shift, dim, count, dim, dim, false);
        for (int q = 0; q < count; q++)
        {
            var own = new Span<float>(output + q * dim, dim);
            if (sum[q] > 0)
            {
                TensorPrimitives.MultiplyAdd(new ReadOnlySpan<float>(shift + q * dim, dim), tilt[q], own, own);
                TensorPrimitives.Multiply(own, 1 / sum[q], own);
            }
            logSumExp[q] = sum[q] > 0 ? total[q] + MathF.Log(sum[q]) : float.NegativeInfinity;
        }
    }
}

/// <summary>What a token of a block reads, for each KV head.</summary>
/// <param name="Opened">Rows in the lists whose codes are read, at most.</param>
/// <param name="Rows">Rows whose keys and values are read, at most.</param>
/// <param name="ListShare">Share of the attention, summed over the group, from which on a list is worth opening.</param>
/// <param name="RowShare">Share of the attention, summed over the group, from which on a row is worth reading.</param>
public readonly record struct BlockBudget(int Opened, int Rows, float ListShare, float RowShare)
{
    /// <summary>Share of their weight that rows lose that have less than <see cref="Promises.Loud"/> of the attention; default 0.</summary>
    public float QuietDiscount { get; init; }

    /// <summary>The same for heads that are so sharp that their lists say little; their lists need not promise any share.</summary>
    public int OpenedIfSharp { get; init; } = Opened;
}
