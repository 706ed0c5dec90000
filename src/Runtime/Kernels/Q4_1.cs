using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Retrieval.Runtime.Kernels;

/// <summary>
/// Blocks of 32: half d, half m, 16 bytes of nibbles (byte j holds elements j, low, and j + 16, high). w = d q + m.
/// </summary>
internal readonly unsafe struct Q4_1 : INibbleFormat
{
    public static int BlockSize => 32;

    public static int BlockBytes => 20;

    public static int HeaderBytes => 4;

    public static int RunBytes => 16;

    public static void DequantizeReference(byte* source, float* destination, int count)
    {
        for (int i = 0; i < count; i += 32, source += 20, destination += 32)
        {
            float d = Float16.ToSingle(source);
            float m = Float16.ToSingle(source + 2);
            for (int j = 0; j < 16; j++)
            {
                destination[j] = (source[4 + j] & 15) * d + m;
                destination[j + 16] = (source[4 + j] >> 4) * d + m;
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Dequantize(byte* source, float* destination, int count)
    {
        for (int i = 0; i < count; i += 32, source += 20, destination += 32)
        {
            float d = Float16.ToSingle(source);
            float m = Float16.ToSingle(source + 2);
            Vector128<byte> nibbles = Vector128.Load(source + 4);
            Lanes.Store(Lanes.LowNibbles(nibbles), d, m, destination);
            Lanes.Store(Lanes.HighNibbles(nibbles), d, m, destination + 16);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void CollectScales(byte* row, uint* bits, int blocks)
    {
        for (int i = 0; i < blocks; i++, row += 20)
            bits[i] = Unsafe.ReadUnaligned<uint>(row);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> ConvertScales(uint* bits, float* sums, float* scales, int groups)
    {
        Vector512<float> offsets = default;
        for (int i = 0; i < groups; i += 16)
        {
            Vector512<uint> both = Vector512.Load(bits + i);
            Float16.FiniteLowToSingle(both).Store(scales + i);
            offsets = Vector512.FusedMultiplyAdd(Float16.FiniteHighToSingle(both), Vector512.Load(sums + i), offsets);
        }
        return offsets;
    }
}
