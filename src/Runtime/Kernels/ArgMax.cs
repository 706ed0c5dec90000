using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Retrieval.Runtime.Kernels;

/// <summary>Position of the largest element: greedy decoding.</summary>
internal static unsafe class ArgMax
{
    /// <summary>The definition. Parameters as for <see cref="Find"/>.</summary>
    internal static int FindReference(float* x, int n)
    {
        int best = -1;
        for (int i = 0; i < n; i++)
        {
            if (best < 0 ? !float.IsNaN(x[i]) : x[i] > x[best])
                best = i;
        }
        return best;
    }

    /// <summary>The first of the largest elements; NaNs are passed over.</summary>
    /// <param name="x">[n].</param>
    /// <param name="n">Length.</param>
    /// <returns>The position, or -1 if there is no number.</returns>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static int Find(float* x, int n)
    {
        if (!Vector128.IsHardwareAccelerated || n < 32)
            return FindReference(x, n);
        // First the value, then the first place that has it: both passes run at the speed of loads.
        Vector512<float> most = Vector512.Create(float.NegativeInfinity), other = most;
        int i = 0;
        for (; i <= n - 32; i += 32)
        {
            Vector512<float> a = Vector512.Load(x + i), b = Vector512.Load(x + i + 16);
            most = Vector512.ConditionalSelect(Vector512.GreaterThan(a, most), a, most);
            other = Vector512.ConditionalSelect(Vector512.GreaterThan(b, other), b, other);
        }
        most = Vector512.ConditionalSelect(Vector512.GreaterThan(other, most), other, most);
        float best = float.NegativeInfinity;
        for (int lane = 0; lane < 16; lane++)
            best = Math.Max(best, most[lane]);
        for (; i < n; i++)
            best = x[i] > best ? x[i] : best;
        Vector512<float> wanted = Vector512.Create(best);
        for (i = 0; i <= n - 16; i += 16)
        {
            ulong equal = Vector512.Equals(Vector512.Load(x + i), wanted).ExtractMostSignificantBits();
            if (equal != 0)
                return i + System.Numerics.BitOperations.TrailingZeroCount(equal);
        }
        for (; i < n; i++)
        {
            if (x[i] == best)
                return i;
        }
        return -1;
    }
}
