using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Retrieval.Runtime.Kernels;

/// <summary>
/// Blocks of 256: 16 bytes of scales (low nibble) and mins (high nibble), one a group of 16; 64 bytes of 2-bit values; half d,
/// half dmin. Of each 128 elements, byte l of 32 holds elements l, l + 32, l + 64 and l + 96. w = (d scale) q - (dmin min).
/// </summary>
internal readonly unsafe struct Q2_K : IWeightFormat
{
    public static int BlockSize => 256;

    public static int BlockBytes => 84;

    public static void DequantizeReference(byte* source, float* destination, int count)
    {
        for (int i = 0; i < count; i += 256, source += 84, destination += 256)
        {
            float d = Float16.ToSingle(source + 80);
            float dmin = Float16.ToSingle(source + 82);
            for (int j = 0; j < 256; j++)
            {
                byte scale = source[j / 16];
                int q = source[16 + j / 128 * 32 + j % 32] >> j % 128 / 32 * 2 & 3;
                destination[j] = d * (scale & 15) * q - dmin * (scale >> 4);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Dequantize(byte* source, float* destination, int count)
    {
        for (int i = 0; i < count; i += 256, source += 84, destination += 256)
        {
            float d = Float16.ToSingle(source + 80);
            float dmin = Float16.ToSingle(source + 82);
            for (int group = 0; group < 16; group++)
            {
                byte scale = source[group];
                Vector128<byte> bytes = Vector128.Load(source + 16 + group / 8 * 32 + group % 2 * 16);
                Lanes.Store(Lanes.TwoBits(bytes, group % 8 / 2 * 2), d * (scale & 15), -(dmin * (scale >> 4)), destination + group * 16);
            }
        }
    }
}
