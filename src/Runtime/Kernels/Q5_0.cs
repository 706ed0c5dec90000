using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Retrieval.Runtime.Kernels;

/// <summary>
/// Blocks of 32: half d, 32 fifth bits (bit j belongs to element j), 16 bytes of nibbles as in <see cref="Q4_0"/>.
/// w = d (q - 16).
/// </summary>
internal readonly unsafe struct Q5_0 : IWeightFormat
{
    public static int BlockSize => 32;

    public static int BlockBytes => 22;

    public static void DequantizeReference(byte* source, float* destination, int count)
    {
        for (int i = 0; i < count; i += 32, source += 22, destination += 32)
        {
            float d = Float16.ToSingle(source);
            uint fifth = Unsafe.ReadUnaligned<uint>(source + 2);
            for (int j = 0; j < 16; j++)
            {
                int low = source[6 + j] & 15 | (int)(fifth >> j & 1) << 4;
                int high = source[6 + j] >> 4 | (int)(fifth >> (j + 16) & 1) << 4;
                destination[j] = (low - 16) * d;
                destination[j + 16] = (high - 16) * d;
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Dequantize(byte* source, float* destination, int count)
    {
        for (int i = 0; i < count; i += 32, source += 22, destination += 32)
        {
            float d = Float16.ToSingle(source);
            uint fifth = Unsafe.ReadUnaligned<uint>(source + 2);
            Vector128<byte> nibbles = Vector128.Load(source + 6);
            Vector128<byte> low = Lanes.LowNibbles(nibbles) | Lanes.SpreadBits((ushort)fifth, 16);
            Vector128<byte> high = Lanes.HighNibbles(nibbles) | Lanes.SpreadBits((ushort)(fifth >> 16), 16);
            Vector128<sbyte> sixteen = Vector128.Create((sbyte)16);
            Lanes.Store(low.AsSByte() - sixteen, d, destination);
            Lanes.Store(high.AsSByte() - sixteen, d, destination + 16);
        }
    }
}
