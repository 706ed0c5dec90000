using System.Runtime.Intrinsics;

namespace Retrieval.Index.Kernels;

/// <summary>Weighted sums of a float32 tile of rows, for all queries of a group: the value side of attention.</summary>
public static unsafe class TileWeightedSum
{
    /// <summary>Reference. Shapes as in <see cref="Accumulate"/>.</summary>
    public static void AccumulateReference(float* tile, int rows, int dim, float* weights, int weightStride, int group, float* output)
    {
        for (int g = 0; g < group; g++)
        {
            for (int r = 0; r < rows; r++)
            {
                for (int i = 0; i < dim; i++)
                    output[g * dim + i] += weights[g * weightStride + r] * tile[r * dim + i];
            }
        }
    }

    /// <summary>output[g] += Σ_r weights[g, r] tile[r].</summary>
    /// <param name="tile">[rows, dim]</param>
    /// <param name="weights">[group, weightStride], the first <paramref name="rows"/> of each are read.</param>
    /// <param name="output">[group, dim]</param>
    public static void Accumulate(float* tile, int rows, int dim, float* weights, int weightStride, int group, float* output)
    {
        if (!Vector256.IsHardwareAccelerated || dim % 16 != 0)
        {
            AccumulateReference(tile, rows, dim, weights, weightStride, group, output);
            return;
        }
        for (int g = 0; g < group; g++)
        {
            float* w = weights + g * weightStride;
            float* sum = output + g * dim;
            int i = 0;
            for (; i <= dim - 64; i += 64)
                FourColumns(tile + i, rows, dim, w, sum + i);
            for (; i < dim; i += 16)
                OneColumn(tile + i, rows, dim, w, sum + i);
        }
    }

    private static void FourColumns(float* tile, int rows, int dim, float* weights, float* output)
    {
        // Two rows at a time on separate accumulators, so that additions do not wait for one another.
        Vector512<float> a0 = Vector512.Load(output), a1 = Vector512.Load(output + 16), a2 = Vector512.Load(output + 32), a3 = Vector512.Load(output + 48);
        Vector512<float> b0 = default, b1 = default, b2 = default, b3 = default;
        int r = 0;
        for (; r <= rows - 2; r += 2)
        {
            Vector512<float> w = Vector512.Create(weights[r]), x = Vector512.Create(weights[r + 1]);
            float* row = tile + r * dim;
            a0 = Vector512.FusedMultiplyAdd(w, Vector512.Load(row), a0);
            a1 = Vector512.FusedMultiplyAdd(w, Vector512.Load(row + 16), a1);
            a2 = Vector512.FusedMultiplyAdd(w, Vector512.Load(row + 32), a2);
            a3 = Vector512.FusedMultiplyAdd(w, Vector512.Load(row + 48), a3);
            row += dim;
            b0 = Vector512.FusedMultiplyAdd(x, Vector512.Load(row), b0);
            b1 = Vector512.FusedMultiplyAdd(x, Vector512.Load(row + 16), b1);
            b2 = Vector512.FusedMultiplyAdd(x, Vector512.Load(row + 32), b2);
            b3 = Vector512.FusedMultiplyAdd(x, Vector512.Load(row + 48), b3);
        }
        if (r < rows)
        {
            Vector512<float> w = Vector512.Create(weights[r]);
            float* row = tile + r * dim;
            a0 = Vector512.FusedMultiplyAdd(w, Vector512.Load(row), a0);
            a1 = Vector512.FusedMultiplyAdd(w, Vector512.Load(row + 16), a1);
            a2 = Vector512.FusedMultiplyAdd(w, Vector512.Load(row + 32), a2);
            a3 = Vector512.FusedMultiplyAdd(w, Vector512.Load(row + 48), a3);
        }
        (a0 + b0).Store(output);
        (a1 + b1).Store(output + 16);
        (a2 + b2).Store(output + 32);
        (a3 + b3).Store(output + 48);
    }

    private static void OneColumn(float* tile, int rows, int dim, float* weights, float* output)
    {
        Vector512<float> sum = Vector512.Load(output);
        for (int r = 0; r < rows; r++)
            sum = Vector512.FusedMultiplyAdd(Vector512.Create(weights[r]), Vector512.Load(tile + r * dim), sum);
        sum.Store(output);
    }
}
