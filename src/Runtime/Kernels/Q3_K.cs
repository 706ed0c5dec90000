using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Retrieval.Runtime.Kernels;

/// <summary>
/// Blocks of 256: 32 bytes of third bits, 64 bytes of 2-bit values as in <see cref="Q2_K"/>, 12 bytes of 6-bit scales, one a
/// group of 16, half d. Bit j / 32 of byte j % 32 is element j's third bit. w = (d (scale - 32)) (q - 4) with q of three bits.
/// </summary>
internal readonly unsafe struct Q3_K : IWeightFormat
{
    public static int BlockSize => 256;

    public static int BlockBytes => 110;

    public static void DequantizeReference(byte* source, float* destination, int count)
    {
        for (int i = 0; i < count; i += 256, source += 110, destination += 256)
        {
            float d = Float16.ToSingle(source + 108);
            for (int j = 0; j < 256; j++)
            {
                int q = source[32 + j / 128 * 32 + j % 32] >> j % 128 / 32 * 2 & 3 | (source[j % 32] >> j / 32 & 1) << 2;
                destination[j] = d * Scale(source + 96, j / 16) * (q - 4);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Dequantize(byte* source, float* destination, int count)
    {
        for (int i = 0; i < count; i += 256, source += 110, destination += 256)
        {
            float d = Float16.ToSingle(source + 108);
            for (int group = 0; group < 16; group++)
            {
                Vector128<byte> low = Lanes.TwoBits(Vector128.Load(source + 32 + group / 8 * 32 + group % 2 * 16), group % 8 / 2 * 2);
                Vector128<byte> third = Vector128.Load(source + group % 2 * 16) & Vector128.Create((byte)(1 << group / 2));
                // A clear third bit means four less.
                Vector128<byte> less = Vector128.Equals(third, Vector128<byte>.Zero) & Vector128.Create((byte)4);
                Lanes.Store((low - less).AsSByte(), d * Scale(source + 96, group), destination + group * 16);
            }
        }
    }

    /// <summary>Scale of a group: four bits from the first eight bytes, two from the last four, less 32.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int Scale(byte* scales, int group)
        => (scales[group % 8] >> group / 8 * 4 & 15 | (scales[8 + group % 4] >> group / 4 * 2 & 3) << 4) - 32;
}
