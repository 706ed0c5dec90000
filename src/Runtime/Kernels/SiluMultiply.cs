using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Retrieval.Index.Kernels;

namespace Retrieval.Runtime.Kernels;

/// <summary>The gate of a SwiGLU MLP: y[i] = up[i] gate[i] / (1 + e^-gate[i]).</summary>
internal static unsafe class SiluMultiply
{
    /// <summary>The definition, in double. Parameters as for <see cref="Apply(float*, float*, float*, int)"/>.</summary>
    internal static void ApplyReference(float* gate, float* up, float* y, int n)
    {
        for (int i = 0; i < n; i++)
            y[i] = (float)(gate[i] / (1 + Math.Exp(-(double)gate[i])) * up[i]);
    }

    /// <summary>Gates one row.</summary>
    /// <param name="gate">[n].</param>
    /// <param name="up">[n].</param>
    /// <param name="y">[n]; may be <paramref name="gate"/> or <paramref name="up"/>.</param>
    /// <param name="n">Length, 0 or more.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void Apply(float* gate, float* up, float* y, int n)
    {
        int i = 0;
        if (Vector128.IsHardwareAccelerated)
        {
            for (; i <= n - 16; i += 16)
                Gate(Vector512.Load(gate + i), Vector512.Load(up + i)).Store(y + i);
        }
        ApplyReference(gate + i, up + i, y + i, n - i);
    }

    /// <summary>The definition, in double. Parameters as for <see cref="Apply(ushort*, ushort*, ushort*, int)"/>.</summary>
    internal static void ApplyReference(ushort* gate, ushort* up, ushort* y, int n)
    {
        for (int i = 0; i < n; i++)
        {
            float g = BFloat16.ToSingle(gate[i]), u = BFloat16.ToSingle(up[i]), gated;
            ApplyReference(&g, &u, &gated, 1);
            y[i] = BFloat16.FromSingle(gated);
        }
    }

    /// <summary>Gates one row of bfloat16, in float32 and rounded once.</summary>
    /// <param name="gate">[n].</param>
    /// <param name="up">[n].</param>
    /// <param name="y">[n].</param>
    /// <param name="n">Length, 0 or more.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void Apply(ushort* gate, ushort* up, ushort* y, int n)
    {
        int i = 0;
        if (Vector128.IsHardwareAccelerated)
        {
            for (; i <= n - 16; i += 16)
            {
                Vector512<float> g = BFloat16.ToSingle(Vector256.Load(gate + i)), u = BFloat16.ToSingle(Vector256.Load(up + i));
                BFloat16.FromSingle(Gate(g, u)).Store(y + i);
            }
        }
        ApplyReference(gate + i, up + i, y + i, n - i);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Gate(Vector512<float> g, Vector512<float> up)
    {
        // The exponential of a negative number cannot overflow: g / (1 + e^-g) is g e^g / (1 + e^g).
        Vector512<float> e = VectorExp.Exp(-Vector512.Abs(g));
        Vector512<float> gated = Vector512.ConditionalSelect(Vector512.GreaterThan(g, Vector512<float>.Zero), g, g * e);
        return gated / (Vector512<float>.One + e) * up;
    }
}
