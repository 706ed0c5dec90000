using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Retrieval.Index.Kernels;

/// <summary>IEEE half precision elements, widened to float32. Finite values only: a KV row never holds an infinity.</summary>
public static unsafe class HalfRow
{
    // A half's exponent bias is 15 and a float's 127: the bits moved into place are 2^112 too small.
    internal const float Rebias = 5.192296858534828e33f;
    private const float Largest = 65504f;
    private const float SmallestNormal = 6.103515625e-5f;
    private const int Keep = unchecked((int)0x8FFFE000);

    /// <summary>Reference: one element at a time through the framework's conversion.</summary>
    public static void WidenReference(ushort* source, float* destination, int count)
    {
        for (int i = 0; i < count; i++)
            destination[i] = (float)BitConverter.UInt16BitsToHalf(source[i]);
    }

    /// <summary>destination[i] = source[i] for i in [0, count).</summary>
    public static void Widen(ushort* source, float* destination, int count)
    {
        int i = 0;
        if (Vector256.IsHardwareAccelerated)
        {
            for (; i <= count - 16; i += 16)
                Widen(Vector256.Load((short*)source + i)).Store(destination + i);
        }
        if (Vector128.IsHardwareAccelerated)
        {
            for (; i <= count - 4; i += 4)
            {
                Vector128<int> wide = Vector128.WidenLower(Vector128.CreateScalar(*(long*)(source + i)).AsInt16());
                (((wide << 13) & Vector128.Create(Keep)).AsSingle() * Rebias).Store(destination + i);
            }
        }
        WidenReference(source + i, destination + i, count - i);
    }

    /// <summary>One half as a float, many times faster than the framework's conversion.</summary>
    internal static float Widen(ushort half) => BitConverter.Int32BitsToSingle(((short)half << 13) & Keep) * Rebias;

    /// <summary>Sixteen halves as floats.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static Vector512<float> Widen(Vector256<short> halves) => Move(halves) * Rebias;

    /// <summary>Sixteen halves as floats that are 2^112 times too small.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static Vector512<float> Move(ushort* halves) => Move(Vector256.Load((short*)halves));

    /// <summary>Sign-extends, moves exponent and mantissa into place, and leaves the bias.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Move(Vector256<short> halves)
    {
        Vector512<int> wide;
        if (Avx512F.IsSupported)
        {
            wide = Avx512F.ConvertToVector512Int32(halves);
        }
        else
        {
            (Vector256<int> low, Vector256<int> high) = Vector256.Widen(halves);
            wide = Vector512.Create(low, high);
        }
        return ((wide << 13) & Vector512.Create(Keep)).AsSingle();
    }

    /// <summary>Reference. As <see cref="Narrow(float*, ushort*, int)"/>.</summary>
    public static void NarrowReference(float* source, ushort* destination, int count)
    {
        for (int i = 0; i < count; i++)
            destination[i] = BitConverter.HalfToUInt16Bits((Half)Math.Clamp(source[i], -Largest, Largest));
    }

    /// <summary>Rounds to the nearest half, ties to even; magnitudes above 65,504 become 65,504 so that a row stays finite.</summary>
    public static void Narrow(float* source, ushort* destination, int count)
    {
        int i = 0;
        if (Vector256.IsHardwareAccelerated)
        {
            for (; i <= count - 16; i += 16)
                Narrow(Vector512.Load(source + i)).Store(destination + i);
        }
        NarrowReference(source + i, destination + i, count - i);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<ushort> Narrow(Vector512<float> x)
    {
        Vector512<uint> bits = x.AsUInt32(), sign = (bits >> 16) & Vector512.Create(0x8000u);
        Vector512<float> magnitude = Vector512.Min(Vector512.Abs(x), Vector512.Create(Largest));
        // Normal halves: round at bit 13 (half a unit, less one where the kept part is even), then take the bias down by 112.
        Vector512<uint> a = magnitude.AsUInt32();
        Vector512<uint> normal = (a + Vector512.Create(0xFFFu) + ((a >> 13) & Vector512<uint>.One) - Vector512.Create(112u << 23)) >> 13;
        // Subnormal halves: adding 0.5 lets the float unit round the mantissa at the place where a half's last bit lies.
        Vector512<float> half = Vector512.Create(0.5f);
        Vector512<uint> subnormal = (magnitude + half).AsUInt32() - half.AsUInt32();
        Vector512<uint> isSubnormal = Vector512.LessThan(magnitude, Vector512.Create(SmallestNormal)).AsUInt32();
        Vector512<uint> result = Vector512.ConditionalSelect(isSubnormal, subnormal, normal) | sign;
        return Vector256.Narrow(result.GetLower(), result.GetUpper());
    }
}
