using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Retrieval.Runtime.Kernels;

/// <summary>
/// Blocks of 32: half d, 16 bytes of nibbles (byte j holds elements j, low, and j + 16, high). w = d (q - 8).
/// </summary>
internal readonly unsafe struct Q4_0 : INibbleFormat
{
    public static int BlockSize => 32;

    public static int BlockBytes => 18;

    public static int HeaderBytes => 2;

    public static int RunBytes => 16;

    public static void DequantizeReference(byte* source, float* destination, int count)
    {
        for (int i = 0; i < count; i += 32, source += 18, destination += 32)
        {
            float d = Float16.ToSingle(source);
            for (int j = 0; j < 16; j++)
            {
                destination[j] = ((source[2 + j] & 15) - 8) * d;
                destination[j + 16] = ((source[2 + j] >> 4) - 8) * d;
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Dequantize(byte* source, float* destination, int count)
    {
        for (int i = 0; i < count; i += 32, source += 18, destination += 32)
        {
            float d = Float16.ToSingle(source);
            Vector128<byte> nibbles = Vector128.Load(source + 2);
            Vector128<sbyte> eight = Vector128.Create((sbyte)8);
            Lanes.Store(Lanes.LowNibbles(nibbles).AsSByte() - eight, d, destination);
            Lanes.Store(Lanes.HighNibbles(nibbles).AsSByte() - eight, d, destination + 16);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void CollectScales(byte* row, uint* bits, int blocks)
    {
        for (int i = 0; i < blocks; i++, row += 18)
            bits[i] = Unsafe.ReadUnaligned<ushort>(row);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> ConvertScales(uint* bits, float* sums, float* scales, int groups)
    {
        Vector512<float> offsets = default;
        for (int i = 0; i < groups; i += 16)
        {
            Vector512<float> d = Float16.FiniteLowToSingle(Vector512.Load(bits + i));
            d.Store(scales + i);
            offsets = Vector512.FusedMultiplyAdd(d, Vector512.Load(sums + i), offsets);
        }
        return offsets * -8f;
    }
}
