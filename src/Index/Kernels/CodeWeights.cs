using System.Runtime.Intrinsics;

namespace Retrieval.Index.Kernels;

/// <summary>Attention weights of the rows of a list from the sums that <see cref="CodeScan"/> made of their codes.</summary>
public static unsafe class CodeWeights
{
    // A weight relative to the whole attention is near 1 at most unless a code misleads; exp(40) leaves room for sums of squares.
    private const float Highest = 40;

    /// <summary>Reference. As <see cref="Compute"/>.</summary>
    public static void ComputeReference(
        ushort* sums, int stride, int rows, int group, float* shift, float* scale, float* weights, int weightStride, float* groupWeights, float* totals)
    {
        int whole = (rows + 15) / 16 * 16;
        new Span<float>(groupWeights, whole).Clear();
        for (int g = 0; g < group; g++)
        {
            for (int r = 0; r < whole; r++)
            {
                float weight = r < rows ? VectorExp.Exp(MathF.Min(shift[g] + scale[g] * sums[g * stride + r], Highest)) : 0;
                weights[(long)g * weightStride + r] = weight;
                groupWeights[r] += weight;
                totals[g] += weight;
            }
        }
    }

    /// <summary>weights[g, r] = exp(shift[g] + scale[g] · sums[g, r]), and their sums over the group and over the rows.</summary>
    /// <param name="sums">[group, stride]; whole blocks of 16 rows can be read.</param>
    /// <param name="weights">[group, weightStride]; whole blocks are written, 0 beyond <paramref name="rows"/>.</param>
    /// <param name="groupWeights">[rows rounded up to 16]: Σ_g weights[g, r].</param>
    /// <param name="totals">[group], added to: Σ_r weights[g, r].</param>
    public static void Compute(
        ushort* sums, int stride, int rows, int group, float* shift, float* scale, float* weights, int weightStride, float* groupWeights, float* totals)
    {
        if (!Vector256.IsHardwareAccelerated)
        {
            ComputeReference(sums, stride, rows, group, shift, scale, weights, weightStride, groupWeights, totals);
            return;
        }
        for (int g = 0; g < group; g++)
        {
            Vector512<float> start = Vector512.Create(shift[g]), step = Vector512.Create(scale[g]), total = default;
            float* target = weights + (long)g * weightStride;
            for (int r = 0; r < rows; r += 16)
            {
                (Vector256<uint> low, Vector256<uint> high) = Vector256.Widen(Vector256.Load(sums + g * stride + r));
                Vector512<float> sum = Vector512.ConvertToSingle(Vector512.Create(low, high).AsInt32());
                Vector512<float> weight = VectorExp.Exp(Vector512.Min(Vector512.FusedMultiplyAdd(step, sum, start), Vector512.Create(Highest)));
                if (rows - r < 16)
                    weight = Vector512.ConditionalSelect(Vector512.LessThan(Vector512<int>.Indices, Vector512.Create(rows - r)).AsSingle(), weight, Vector512<float>.Zero);
                weight.Store(target + r);
                total += weight;
                (g == 0 ? weight : weight + Vector512.Load(groupWeights + r)).Store(groupWeights + r);
            }
            totals[g] += Vector512.Sum(total);
        }
    }
}
