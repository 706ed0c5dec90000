using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Retrieval.Runtime.Kernels;

/// <summary>
/// Blocks of 32: half d, half m, 32 fifth bits (bit j belongs to element j), 16 bytes of nibbles as in <see cref="Q4_1"/>.
/// w = d q + m.
/// </summary>
internal readonly unsafe struct Q5_1 : IWeightFormat
{
    public static int BlockSize => 32;

    public static int BlockBytes => 24;

    public static void DequantizeReference(byte* source, float* destination, int count)
    {
        for (int i = 0; i < count; i += 32, source += 24, destination += 32)
        {
            float d = Float16.ToSingle(source);
            float m = Float16.ToSingle(source + 2);
            uint fifth = Unsafe.ReadUnaligned<uint>(source + 4);
            for (int j = 0; j < 16; j++)
            {
                int low = source[8 + j] & 15 | (int)(fifth >> j & 1) << 4;
                int high = source[8 + j] >> 4 | (int)(fifth >> (j + 16) & 1) << 4;
                destination[j] = low * d + m;
                destination[j + 16] = high * d + m;
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Dequantize(byte* source, float* destination, int count)
    {
        for (int i = 0; i < count; i += 32, source += 24, destination += 32)
        {
            float d = Float16.ToSingle(source);
            float m = Float16.ToSingle(source + 2);
            uint fifth = Unsafe.ReadUnaligned<uint>(source + 4);
            Vector128<byte> nibbles = Vector128.Load(source + 8);
            Lanes.Store(Lanes.LowNibbles(nibbles) | Lanes.SpreadBits((ushort)fifth, 16), d, m, destination);
            Lanes.Store(Lanes.HighNibbles(nibbles) | Lanes.SpreadBits((ushort)(fifth >> 16), 16), d, m, destination + 16);
        }
    }
}
