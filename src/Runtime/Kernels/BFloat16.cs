using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Retrieval.Runtime.Kernels;

/// <summary>bfloat16 rows (the upper half of a float32) to and from float32.</summary>
internal static unsafe class BFloat16
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static float ToSingle(ushort bits) => BitConverter.UInt32BitsToSingle((uint)bits << 16);

    /// <summary>Nearest, ties to even; a NaN stays a (quiet) NaN.</summary>
    internal static ushort FromSingle(float value)
    {
        uint bits = BitConverter.SingleToUInt32Bits(value);
        if (float.IsNaN(value))
            return (ushort)(bits >> 16 | 0x40);
        return (ushort)((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
    }

    internal static void UnpackReference(ushort* source, float* destination, int count)
    {
        for (int i = 0; i < count; i++)
            destination[i] = ToSingle(source[i]);
    }

    /// <summary>source[i] as float32; exact, <paramref name="count"/> of any value.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void Unpack(ushort* source, float* destination, int count)
    {
        int i = 0;
        if (Vector128.IsHardwareAccelerated)
        {
            for (; i <= count - 16; i += 16)
                ToSingle(Vector256.Load(source + i)).Store(destination + i);
        }
        UnpackReference(source + i, destination + i, count - i);
    }

    internal static void AddToReference(ushort* source, float* sum, int count)
    {
        for (int i = 0; i < count; i++)
            sum[i] += ToSingle(source[i]);
    }

    /// <summary>sum[i] += source[i], <paramref name="count"/> of any value.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void AddTo(ushort* source, float* sum, int count)
    {
        int i = 0;
        if (Vector128.IsHardwareAccelerated)
        {
            for (; i <= count - 16; i += 16)
                (Vector512.Load(sum + i) + ToSingle(Vector256.Load(source + i))).Store(sum + i);
        }
        AddToReference(source + i, sum + i, count - i);
    }

    internal static void PackReference(float* source, ushort* destination, int count)
    {
        for (int i = 0; i < count; i++)
            destination[i] = FromSingle(source[i]);
    }

    /// <summary>source[i] as bfloat16, ties to even; values past the largest bfloat16 go to infinity.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void Pack(float* source, ushort* destination, int count)
    {
        int i = 0;
        if (Vector128.IsHardwareAccelerated)
        {
            for (; i <= count - 16; i += 16)
                FromSingle(Vector512.Load(source + i)).Store(destination + i);
        }
        PackReference(source + i, destination + i, count - i);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static Vector512<float> ToSingle(Vector256<ushort> bits) => (Lanes.Widen(bits) << 16).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static Vector256<ushort> FromSingle(Vector512<float> value)
    {
        Vector512<uint> bits = value.AsUInt32();
        Vector512<uint> rounded = bits + Vector512.Create(0x7FFFu) + ((bits >>> 16) & Vector512<uint>.One);
        Vector512<uint> number = Vector512.Equals(value, value).AsUInt32();
        return Lanes.Narrow(Vector512.ConditionalSelect(number, rounded, bits | Vector512.Create(0x400000u)) >>> 16);
    }
}
