using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Retrieval.Runtime.Kernels;

/// <summary>
/// IEEE binary16 rows to and from float32. There is no F16C intrinsic and the framework's scalar cast takes ten cycles, so both
/// directions are integer work plus one or two float multiplications, exact over the whole domain: subnormals, zeros of
/// both signs, infinities; a NaN stays a NaN (payloads are not kept). After github.com/Maratyszcza/FP16.
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

    internal static void PackReference(float* source, ushort* destination, int count)
    {
        for (int i = 0; i < count; i++)
            destination[i] = BitConverter.HalfToUInt16Bits((Half)source[i]);
    }

    /// <summary>source[i] as binary16, ties to even; above 65,519.99 to infinity.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void Pack(float* source, ushort* destination, int count)
    {
        int i = 0;
        if (Vector128.IsHardwareAccelerated)
        {
            for (; i <= count - 16; i += 16)
                FromSingle(Vector512.Load(source + i)).Store(destination + i);
        }
        if (i < count)
            PackReference(source + i, destination + i, count - i);
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

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static Vector256<ushort> FromSingle(Vector512<float> value)
    {
        Vector512<uint> bits = value.AsUInt32();
        Vector512<uint> doubled = bits + bits;
        // Up and down by powers of two: everything that must become infinity does, everything else is unchanged.
        Vector512<float> rounded = Vector512.Abs(value) * 5.192296858534828e33f * 7.70371977754894e-34f;
        // Adding 2^(exponent + 13) pushes the bits below half's precision out, so the adder does the rounding.
        Vector512<uint> bias = Vector512.Max(doubled & Vector512.Create(0xFF000000u), Vector512.Create(0x71000000u));
        rounded += ((bias >>> 1) + Vector512.Create(0x07800000u)).AsSingle();
        Vector512<uint> packed = rounded.AsUInt32();
        packed = ((packed >>> 13) & Vector512.Create(0x7C00u)) + (packed & Vector512.Create(0x0FFFu));
        packed = Vector512.ConditionalSelect(
            Vector512.GreaterThan(doubled, Vector512.Create(0xFF000000u)), Vector512.Create(0x7E00u), packed);
        return Lanes.Narrow(packed | ((bits & Vector512.Create(0x80000000u)) >>> 16));
    }
}
