using System.Numerics.Tensors;
using Retrieval.Index.Kernels;

namespace Retrieval.Index;

/// <summary>
/// Turns a target for the relative error of each head's output into what each level of a <see cref="Cascade"/> must read. An
/// unread row of weight w errs by about w times a distance of values, and rows err independently: squares add up. With T² the
/// variance of all values, D² that of values inside lists and Σ over what stays unread, relative to |o|²:
/// <list type="bullet">
/// <item>lists: m² min(1, exp(σ²)/n) T², the sum of squared weights of n rows whose logits vary by σ² and weigh m together;</item>
/// <item>codes: w² ((exp(s²) − 1) T² + D²), s² what the codes lose of a logit;</item>
/// <item>keys: w² D².</item>
/// </list>
/// </summary>
internal sealed unsafe class ErrorTarget
{
    // How the squared target is divided; measured on four real heads (docs/log.md). Together more than 1: the sums are
    // over all heads of a group, and errors of different levels partly cancel.
    private const float ListShare = 0.5f, CodeShare = 0.3f, KeyShare = 0.2f;

    // An output is never taken for smaller than this part of what values typically are: its direction would be noise.
    private const float LeastOutput = 1e-3f;

    private float[] _scale = [], _squares = [], _noise = [];
    private float _target;
    private int _group;

    /// <summary>Σ over rows of the scores that may stay unread, by level.</summary>
    public double ListLimit => ListShare * Limit;

    public double CodeLimit => CodeShare * Limit;

    public double KeyLimit => KeyShare * Limit;

    private double Limit => (double)_target * _target * _group;

    /// <summary>The score from which on to read: what leaves no more than <paramref name="rest"/> unread (null: any), but not more than a budget.</summary>
    /// <param name="weights">What each counts of the budget; null: 1.</param>
    /// <param name="least">Scores below it are not worth reading.</param>
    public static float Threshold(float* scores, float* weights, int count, int budget, double? rest, float least)
    {
        if (rest is { } limit)
        {
            float threshold = ScoreThreshold.ForRest(scores, count, (float)limit);
            if (ScoreThreshold.SumFrom(scores, weights, count, threshold) <= budget)
                return threshold;
        }
        // Often all that is worth reading is within the budget, which one pass can tell.
        return least > 0 && ScoreThreshold.SumFrom(scores, weights, count, least) <= budget ? least : ScoreThreshold.ForBudget(scores, weights, count, budget);
    }

    /// <summary>Learns the size of each head's output from what is attended to anyway and the estimate of the far part from lists alone.</summary>
    /// <param name="x">[group, dim], queries in the codec's coordinates.</param>
    /// <param name="far">[group, dim]; overwritten.</param>
    /// <param name="farLogSumExp">[group]</param>
    public void Begin(IvfPqCodec codec, float target, float* x, in ResidentAttention resident, Span<float> far, ReadOnlySpan<float> farLogSumExp)
    {
        _group = farLogSumExp.Length;
        _target = target;
        if (_scale.Length < _group)
            (_scale, _noise) = (new float[_group], new float[_group]);
        int dim = codec.Dim;
        for (int g = 0; g < _group; g++)
        {
            float max = MathF.Max(farLogSumExp[g], resident.LogSumExp[g]);
            float farShare = MathF.Exp(farLogSumExp[g] - max), residentShare = MathF.Exp(resident.LogSumExp[g] - max);
            Span<float> output = far.Slice(g * dim, dim);
            TensorPrimitives.Multiply(output, farShare / (farShare + residentShare), output);
            TensorPrimitives.MultiplyAdd(resident.Output.Slice(g * dim, dim), residentShare / (farShare + residentShare), output, output);
            float size = TensorPrimitives.SumOfSquares<float>(output);
            _scale[g] = 1 / MathF.Max(size, MathF.Max(LeastOutput * codec.ValueVariance, 1e-30f));
            _noise[g] = codec.Noise(x + g * dim);
        }
    }

    /// <summary>scores[l] = Σ_g m² min(1, exp(σ²)/n) T² / |o|².</summary>
    /// <param name="mass">[group, lists], shares of the attention.</param>
    /// <param name="variances">[group, lists]; overwritten.</param>
    public void ScoreLists(IvfPqIndex index, ReadOnlySpan<float> mass, Span<float> variances, Span<float> scores)
    {
        int lists = scores.Length;
        scores.Clear();
        for (int g = 0; g < _group; g++)
        {
            Span<float> variance = variances.Slice(g * lists, lists);
            ReadOnlySpan<float> share = mass.Slice(g * lists, lists);
            for (int panel = 0; panel < index.Lists.Panels; panel++)
            {
                Span<float> some = variance.Slice(panel * ListTable.PanelLists, ListTable.PanelLists);
                TensorPrimitives.Subtract(some, new ReadOnlySpan<float>(index.Lists.LogCounts(panel), ListTable.PanelLists), some);
            }
            TensorPrimitives.Min(variance, 0, variance);
            fixed (float* logits = variance)
                VectorExp.Shares(logits, lists, 0);
            TensorPrimitives.Multiply(variance, share, variance);
            TensorPrimitives.Multiply(variance, share, variance);
            TensorPrimitives.MultiplyAdd(variance, _scale[g] * index.Codec.ValueVariance, scores, scores);
        }
    }

    /// <summary>scores[r] = Σ_g w² ((exp(s²) − 1) T² + D²) / |o|².</summary>
    /// <param name="weights">[group, stride], estimated from codes.</param>
    public void ScoreCodes(IvfPqCodec codec, ReadOnlySpan<float> weights, int stride, Span<float> scores)
    {
        if (_squares.Length < scores.Length)
            _squares = new float[scores.Length];
        Span<float> squares = _squares.AsSpan(0, scores.Length);
        scores.Clear();
        for (int g = 0; g < _group; g++)
        {
            ReadOnlySpan<float> weight = weights.Slice(g * stride, scores.Length);
            float distance = (MathF.Exp(_noise[g]) - 1) * codec.ValueVariance + codec.ValueSpread;
            TensorPrimitives.Multiply(weight, weight, squares);
            TensorPrimitives.MultiplyAdd(squares, _scale[g] * distance, scores, scores);
        }
    }

    /// <summary>Σ_g w² D² / |o|² of one row.</summary>
    /// <param name="weights">[group, stride], exact.</param>
    public float ScoreKey(IvfPqCodec codec, float* weights, int stride, int row)
    {
        float sum = 0;
        for (int g = 0; g < _group; g++)
            sum += weights[g * stride + row] * weights[g * stride + row] * _scale[g];
        return sum * codec.ValueSpread;
    }
}

/// <summary>Attention of a group over the tokens that are read anyway.</summary>
/// <param name="output">[group, dim]</param>
/// <param name="logSumExp">[group]; −∞ if there are none.</param>
public readonly ref struct ResidentAttention(ReadOnlySpan<float> output, ReadOnlySpan<float> logSumExp)
{
    /// <summary>[group, dim]</summary>
    public ReadOnlySpan<float> Output { get; } = output;

    /// <summary>[group]</summary>
    public ReadOnlySpan<float> LogSumExp { get; } = logSumExp;
}
