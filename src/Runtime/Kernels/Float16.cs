using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Retrieval.Runtime.Kernels;

/// <summary>
/// IEEE binary16 weights to float32. There is no F16C intrinsic and the framework's scalar cast takes ten cycles, so it is
/// integer work plus one float multiplication, exact over the whole domain: subnormals, zeros of both signs, infinities; a NaN
/// stays a NaN (payloads are not kept). After github.com/Maratyszcza/FP16. Rows of the KV cache, which are finite, have
/// <see cref="Index.Kernels.HalfRow"/>.
/// </summary>
internal static unsafe class Float16
{
    /// <summary>One value; exact.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static float ToSingle(ushort bits)
    {
        // Sign-extension puts copies of the sign above the exponent; the mask keeps the topmost only.
        float value = BitConverter.Int32BitsToSingle(((short)bits << 13) & unchecked((int)0x8FFFE000)) * Lanes.HalfToSingleScale;
        return (bits & 0x7C00) == 0x7C00 ? BitConverter.UInt32BitsToSingle(BitConverter.SingleToUInt32Bits(value) | 0x7F800000) : value;
    }

    /// <summary>The half at an address of any alignment.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static float ToSingle(byte* source) => ToSingle(Unsafe.ReadUnaligned<ushort>(source));

    internal static void UnpackReference(ushort* source, float* destination, int count)
    {
        for (int i = 0; i < count; i++)
            destination[i] = (float)BitConverter.UInt16BitsToHalf(source[i]);
    }

    /// <summary>source[i] as float32; <paramref name="count"/> of any value.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void Unpack(ushort* source, float* destination, int count)
    {
        int i = 0;
        if (Vector128.IsHardwareAccelerated)
        {
            for (; i <= count - 16; i += 16)
                ToSingle(Vector256.Load(source + i)).Store(destination + i);
        }
        for (; i < count; i++)
            destination[i] = ToSingle(source[i]);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static Vector512<float> ToSingle(Vector256<ushort> bits)
    {
        Vector512<float> value = FiniteLowToSingle(Lanes.Widen(bits));
        // Exponent 31 has arrived as 2^16 or more, which no finite half reaches: those become exponent 255.
        Vector512<float> special = Vector512.GreaterThanOrEqual(Vector512.Abs(value), Vector512.Create(65536f));
        return value | (special & Vector512.Create(float.PositiveInfinity));
    }

    /// <summary>The half in each lane's lower 16 bits, which must be finite.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static Vector512<float> FiniteLowToSingle(Vector512<uint> bits) => FiniteHighToSingle(bits << 16);

    /// <summary>The half in each lane's upper 16 bits, which must be finite.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static Vector512<float> FiniteHighToSingle(Vector512<uint> bits)
        => ((bits.AsInt32() >> 3) & Vector512.Create(unchecked((int)0x8FFFE000))).AsSingle() * Lanes.HalfToSingleScale;
}
