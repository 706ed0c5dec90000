using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Retrieval.Runtime.Kernels;

/// <summary>
/// Blocks of 256: half d, half dmin, 12 bytes of 6-bit scales and mins, one of each a group of 32, 128 bytes of nibbles. Of each
/// 64 elements, byte l of 32 holds element l (low) and l + 32 (high). w = (d scale) q - (dmin min).
/// </summary>
internal readonly unsafe struct Q4_K : INibbleFormat
{
    public static int BlockSize => 256;

    public static int BlockBytes => 144;

    public static int HeaderBytes => 16;

    public static int RunBytes => 32;

    public static void DequantizeReference(byte* source, float* destination, int count)
    {
        for (int i = 0; i < count; i += 256, source += 144, destination += 256)
        {
            float d = Float16.ToSingle(source);
            float dmin = Float16.ToSingle(source + 2);
            for (int j = 0; j < 256; j++)
            {
                int q = source[16 + j / 64 * 32 + j % 32] >> j % 64 / 32 * 4 & 15;
                destination[j] = d * Scale(source + 4, j / 32) * q - dmin * Min(source + 4, j / 32);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Dequantize(byte* source, float* destination, int count)
    {
        for (int i = 0; i < count; i += 256, source += 144, destination += 256)
        {
            float d = Float16.ToSingle(source);
            float dmin = Float16.ToSingle(source + 2);
            for (int pair = 0; pair < 4; pair++)
            {
                Vector128<byte> first = Vector128.Load(source + 16 + pair * 32);
                Vector128<byte> second = Vector128.Load(source + 32 + pair * 32);
                float* to = destination + pair * 64;
                float scale = d * Scale(source + 4, pair * 2);
                float offset = -(dmin * Min(source + 4, pair * 2));
                Lanes.Store(Lanes.LowNibbles(first), scale, offset, to);
                Lanes.Store(Lanes.LowNibbles(second), scale, offset, to + 16);
                scale = d * Scale(source + 4, pair * 2 + 1);
                offset = -(dmin * Min(source + 4, pair * 2 + 1));
                Lanes.Store(Lanes.HighNibbles(first), scale, offset, to + 32);
                Lanes.Store(Lanes.HighNibbles(second), scale, offset, to + 48);
            }
        }
    }

    /// <summary>Scale of a group of 32, six bits: groups 4..7 have their upper two bits on top of groups 0..3's bytes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static int Scale(byte* scales, int group)
        => group < 4 ? scales[group] & 63 : scales[group + 4] & 15 | scales[group - 4] >> 6 << 4;

    /// <summary>Min of a group of 32, six bits.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static int Min(byte* scales, int group)
        => group < 4 ? scales[group + 4] & 63 : scales[group + 4] >> 4 | scales[group] >> 6 << 4;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void CollectScales(byte* row, uint* bits, int blocks)
    {
        // d, dmin and the packed scales: 16 bytes, in the room of eight groups' words.
        for (int i = 0; i < blocks; i++, row += 144)
            Vector128.Load(row).Store((byte*)(bits + 8 * i));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> ConvertScales(uint* bits, float* sums, float* scales, int groups)
    {
        Vector256<float> offsets = default;
        for (int i = 0; i < groups; i += 8)
        {
            float d = Float16.ToSingle((ushort)bits[i]), dmin = Float16.ToSingle((ushort)(bits[i] >> 16));
            // Six-bit numbers, four to a word: scales 0..3, mins 0..3, then low halves of both 4..7, whose tops lie above the first two.
            uint a = bits[i + 1], b = bits[i + 2], c = bits[i + 3];
            ulong scaleBytes = a & 0x3F3F3F3F | (ulong)(c & 0x0F0F0F0F | (a >> 6 & 0x03030303) << 4) << 32;
            ulong minBytes = b & 0x3F3F3F3F | (ulong)(c >> 4 & 0x0F0F0F0F | (b >> 6 & 0x03030303) << 4) << 32;
            Vector512<float> both = Lanes.ToSingle(Vector128.Create(scaleBytes, minBytes).AsByte());
            (both.GetLower() * d).Store(scales + i);
            offsets = Vector256.FusedMultiplyAdd(both.GetUpper() * dmin, Vector256.Load(sums + i), offsets);
        }
        return Vector512.Create(-offsets, Vector256<float>.Zero);
    }
}
