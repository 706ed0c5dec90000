using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Retrieval.Runtime.Kernels;

/// <summary>
/// Blocks of 256: half d, 16 bits and 4 bytes that hold upper two and lower four bits of eight 6-bit scales, one a group of 32,
/// then 16 bytes of nibbles a group, as in <see cref="IQ4_NL"/>. w = (d (scale - 32)) level[q].
/// </summary>
internal readonly unsafe struct IQ4_XS : IWeightFormat
{
    public static int BlockSize => 256;

    public static int BlockBytes => 136;

    public static void DequantizeReference(byte* source, float* destination, int count)
    {
        for (int i = 0; i < count; i += 256, source += 136, destination += 256)
        {
            float d = Float16.ToSingle(source);
            for (int j = 0; j < 256; j++)
            {
                int q = source[8 + j / 32 * 16 + j % 16] >> j % 32 / 16 * 4 & 15;
                destination[j] = d * Scale(source, j / 32) * IQ4_NL.Levels[q];
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Dequantize(byte* source, float* destination, int count)
    {
        for (int i = 0; i < count; i += 256, source += 136, destination += 256)
        {
            float d = Float16.ToSingle(source);
            for (int group = 0; group < 8; group++)
            {
                float scale = d * Scale(source, group);
                Vector128<byte> nibbles = Vector128.Load(source + 8 + group * 16);
                Lanes.Store(IQ4_NL.Look(Lanes.LowNibbles(nibbles)), scale, destination + group * 32);
                Lanes.Store(IQ4_NL.Look(Lanes.HighNibbles(nibbles)), scale, destination + group * 32 + 16);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int Scale(byte* block, int group)
        => (block[4 + group / 2] >> group % 2 * 4 & 15 | (Unsafe.ReadUnaligned<ushort>(block + 2) >> group * 2 & 3) << 4) - 32;
}
