using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Retrieval.Runtime.Kernels;

/// <summary>
/// Sixteen lanes: the unit in which every format unpacks. Byte work happens in 128 bits, which every machine has, then one
/// step widens to sixteen floats. Where there are no 512-bit registers the JIT splits <see cref="Vector512{T}"/> in two or
/// four. With 256 bits, unpacking measured the same and a plain product two thirds of one written for 256 bits: not enough
/// for a second version of every kernel.
/// </summary>
internal static unsafe class Lanes
{
    /// <summary>2^112 moves an exponent with half's bias (15) to single's (127).</summary>
    internal const float HalfToSingleScale = 5.192296858534828e33f;

    /// <summary>0..255 to float.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static Vector512<float> ToSingle(Vector128<byte> values)
    {
        if (Avx512F.IsSupported)
            return Vector512.ConvertToSingle(Avx512F.ConvertToVector512Int32(values));
        (Vector128<ushort> low, Vector128<ushort> high) = Vector128.Widen(values);
        return Vector512.ConvertToSingle(Join(Vector128.Widen(low), Vector128.Widen(high)).AsInt32());
    }

    /// <summary>-128..127 to float.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static Vector512<float> ToSingle(Vector128<sbyte> values)
    {
        if (Avx512F.IsSupported)
            return Vector512.ConvertToSingle(Avx512F.ConvertToVector512Int32(values));
        (Vector128<short> low, Vector128<short> high) = Vector128.Widen(values);
        return Vector512.ConvertToSingle(Join(Vector128.Widen(low), Vector128.Widen(high)));
    }

    /// <summary>Zero-extends to 32 bits.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static Vector512<uint> Widen(Vector256<ushort> values)
    {
        if (Avx512F.IsSupported)
            return Avx512F.ConvertToVector512UInt32(values);
        (Vector256<uint> low, Vector256<uint> high) = Vector256.Widen(values);
        return Vector512.Create(low, high);
    }

    /// <summary>The low 16 bits of each lane.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static Vector256<ushort> Narrow(Vector512<uint> values)
    {
        if (Avx512F.IsSupported)
            return Avx512F.ConvertToVector256UInt16(values);
        return Vector256.Narrow(values.GetLower() & Vector256.Create(0xFFFFu), values.GetUpper() & Vector256.Create(0xFFFFu));
    }

    /// <summary>scale * value, sixteen of them, to <paramref name="destination"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static void Store(Vector128<sbyte> values, float scale, float* destination)
        => (ToSingle(values) * Vector512.Create(scale)).Store(destination);

    /// <summary>scale * value + offset, rounded twice as the scalar formula is.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static void Store(Vector128<byte> values, float scale, float offset, float* destination)
        => (ToSingle(values) * Vector512.Create(scale) + Vector512.Create(offset)).Store(destination);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static Vector128<byte> LowNibbles(Vector128<byte> bytes) => bytes & Vector128.Create((byte)0x0F);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static Vector128<byte> HighNibbles(Vector128<byte> bytes)
        => (bytes.AsUInt16() >>> 4).AsByte() & Vector128.Create((byte)0x0F);

    /// <summary>Two bits of each byte, starting at bit <paramref name="shift"/> (0, 2, 4 or 6).</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static Vector128<byte> TwoBits(Vector128<byte> bytes, int shift)
        => (bytes.AsUInt16() >>> shift).AsByte() & Vector128.Create((byte)0x03);

    /// <summary>Byte i is <paramref name="value"/> where bit i of <paramref name="bits"/> is set, else 0.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static Vector128<byte> SpreadBits(ushort bits, byte value)
    {
        Vector128<byte> spread = Vector128.Shuffle(
            Vector128.Create(bits).AsByte(), Vector128.Create((byte)0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1));
        Vector128<byte> bit = Vector128.Create(0x8040201008040201ul).AsByte();
        return Vector128.Equals(spread & bit, bit) & Vector128.Create(value);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<T> Join<T>((Vector128<T> Lower, Vector128<T> Upper) first, (Vector128<T> Lower, Vector128<T> Upper) second)
        => Vector512.Create(Vector256.Create(first.Lower, first.Upper), Vector256.Create(second.Lower, second.Upper));
}
