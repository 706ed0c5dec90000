using System.Numerics.Tensors;
using System.Runtime.Intrinsics;
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
    // Nats between the largest and the least mass of lists; beyond it shares underflow.
    private const float WidestRange = 80;

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
        float* scores = _scores.Grow(stride), shift = _shift.Grow((long)count * dim), extremes = _extremes.Grow(2L * count);
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
            Normalise(mass + lists, stride, group, extremes + 2 * first, resident + first, total + first, scores);
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

    /// <summary>Masses of one token become shares of each query's whole attention, whose logarithm total receives; a list's score is the sum of its shares.</summary>
    private static void Normalise(float* mass, int stride, int group, float* extremes, float* resident, float* total, float* scores)
    {
        for (int g = 0; g < group; g++, mass += stride)
        {
            float least = extremes[2 * g], largest = extremes[2 * g + 1];
            float max = MathF.Max(largest, resident[g]);
            bool sharp = largest - least > WidestRange;
            if (sharp)
                AddTempered(mass, stride, largest, WidestRange / (largest - least), scores, first: g == 0);
            float sum = VectorExp.Shares(mass, stride, max) + MathF.Exp(resident[g] - max);
            total[g] = max + MathF.Log(sum);
            Share(mass, stride, 1 / sum, sharp ? null : scores, first: g == 0);
        }
    }

    private static void Share(float* mass, int stride, float scale, float* scores, bool first)
    {
        for (int i = 0; i < stride; i += 16)
        {
            Vector512<float> share = Vector512.Load(mass + i) * scale;
            share.Store(mass + i);
            if (scores != null)
                (first ? share : share + Vector512.Load(scores + i)).Store(scores + i);
        }
    }

    /// <summary>Scores of a head so sharp that most shares would be 0: the same order, in a range that floats can tell apart.</summary>
    private static void AddTempered(float* mass, int stride, float largest, float factor, float* scores, bool first)
    {
        for (int i = 0; i < stride; i += 16)
        {
            Vector512<float> share = VectorExp.Exp((Vector512.Load(mass + i) - Vector512.Create(largest)) * factor);
            (first ? share : share + Vector512.Load(scores + i)).Store(scores + i);
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
