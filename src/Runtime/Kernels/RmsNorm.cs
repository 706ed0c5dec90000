using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Retrieval.Runtime.Kernels;

/// <summary>Root-mean-square normalisation: y[i] = weight[i] x[i] / sqrt(mean(x^2) + eps).</summary>
internal static unsafe class RmsNorm
{
    /// <summary>The definition, sums in double. Parameters as for <see cref="Apply"/>.</summary>
    internal static void ApplyReference(float* x, float* weight, float* y, int n, float eps)
    {
        double squares = 0;
        for (int i = 0; i < n; i++)
            squares += (double)x[i] * x[i];
        double scale = 1 / Math.Sqrt(squares / n + eps);
        for (int i = 0; i < n; i++)
            y[i] = (float)(x[i] * scale * weight[i]);
    }

    /// <summary>Normalises one row.</summary>
    /// <param name="x">[n].</param>
    /// <param name="weight">[n].</param>
    /// <param name="y">[n]; may be <paramref name="x"/>.</param>
    /// <param name="n">Length, 0 or more.</param>
    /// <param name="eps">Added to the mean of the squares.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void Apply(float* x, float* weight, float* y, int n, float eps)
    {
        if (!Vector128.IsHardwareAccelerated)
        {
            ApplyReference(x, weight, y, n, eps);
            return;
        }
        Vector512<float> first = default, second = default;
        int i = 0;
        for (; i <= n - 32; i += 32)
        {
            Vector512<float> a = Vector512.Load(x + i), b = Vector512.Load(x + i + 16);
            first = Vector512.FusedMultiplyAdd(a, a, first);
            second = Vector512.FusedMultiplyAdd(b, b, second);
        }
        float squares = Vector512.Sum(first + second);
        for (; i < n; i++)
            squares += x[i] * x[i];
        float scale = 1 / MathF.Sqrt(squares / n + eps);
        for (i = 0; i <= n - 16; i += 16)
            (Vector512.Load(x + i) * Vector512.Create(scale) * Vector512.Load(weight + i)).Store(y + i);
        for (; i < n; i++)
            y[i] = x[i] * scale * weight[i];
    }
}
