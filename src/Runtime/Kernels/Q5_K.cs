using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Retrieval.Runtime.Kernels;

/// <summary>
/// Blocks of 256: half d, half dmin, 12 bytes of scales and mins as in <see cref="Q4_K"/>, 32 bytes of fifth bits (bit j / 32 of
/// byte j % 32 is element j's), 128 bytes of nibbles as in <see cref="Q4_K"/>. w = (d scale) q - (dmin min).
/// </summary>
internal readonly unsafe struct Q5_K : IWeightFormat
{
    public static int BlockSize => 256;

    public static int BlockBytes => 176;

    public static void DequantizeReference(byte* source, float* destination, int count)
    {
        for (int i = 0; i < count; i += 256, source += 176, destination += 256)
        {
            float d = Float16.ToSingle(source);
            float dmin = Float16.ToSingle(source + 2);
            for (int j = 0; j < 256; j++)
            {
                int q = source[48 + j / 64 * 32 + j % 32] >> j % 64 / 32 * 4 & 15 | (source[16 + j % 32] >> j / 32 & 1) << 4;
                destination[j] = d * Q4_K.Scale(source + 4, j / 32) * q - dmin * Q4_K.Min(source + 4, j / 32);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Dequantize(byte* source, float* destination, int count)
    {
        for (int i = 0; i < count; i += 256, source += 176, destination += 256)
        {
            float d = Float16.ToSingle(source);
            float dmin = Float16.ToSingle(source + 2);
            Vector128<byte> firstFifth = Vector128.Load(source + 16);
            Vector128<byte> secondFifth = Vector128.Load(source + 32);
            for (int group = 0; group < 8; group++)
            {
                byte* nibbles = source + 48 + group / 2 * 32;
                int shift = group % 2 * 4;
                float* to = destination + group * 32;
                float scale = d * Q4_K.Scale(source + 4, group);
                float offset = -(dmin * Q4_K.Min(source + 4, group));
                Lanes.Store(WithFifth(Vector128.Load(nibbles), shift, firstFifth, group), scale, offset, to);
                Lanes.Store(WithFifth(Vector128.Load(nibbles + 16), shift, secondFifth, group), scale, offset, to + 16);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<byte> WithFifth(Vector128<byte> nibbles, int shift, Vector128<byte> fifth, int bit)
        => (nibbles.AsUInt16() >>> shift).AsByte() & Vector128.Create((byte)15)
            | ((fifth.AsUInt16() >>> bit).AsByte() & Vector128<byte>.One) << 4;
}
