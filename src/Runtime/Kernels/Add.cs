using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Retrieval.Runtime.Kernels;

/// <summary>The residual connection: y[i] = a[i] + b[i].</summary>
internal static unsafe class Add
{
    /// <summary>The definition. Parameters as for <see cref="Apply"/>.</summary>
    internal static void ApplyReference(float* a, float* b, float* y, int n)
    {
        for (int i = 0; i < n; i++)
            y[i] = a[i] + b[i];
    }

    /// <summary>Adds two rows; same result as the reference, bit for bit.</summary>
    /// <param name="a">[n].</param>
    /// <param name="b">[n].</param>
    /// <param name="y">[n]; may be <paramref name="a"/> or <paramref name="b"/>.</param>
    /// <param name="n">Length, 0 or more.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void Apply(float* a, float* b, float* y, int n)
    {
        int i = 0;
        if (Vector128.IsHardwareAccelerated)
        {
            for (; i <= n - 16; i += 16)
                (Vector512.Load(a + i) + Vector512.Load(b + i)).Store(y + i);
        }
        ApplyReference(a + i, b + i, y + i, n - i);
    }
}
