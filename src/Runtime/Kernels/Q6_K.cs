using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Retrieval.Runtime.Kernels;

/// <summary>
/// Blocks of 256: 128 bytes of nibbles, 64 bytes of 2-bit tops, 16 signed scales, one a group of 16, half d. Of each 128 elements
/// nibble byte l of 64 holds l (low) and l + 64 (high); top byte l of 32 holds l, l + 32, l + 64, l + 96.
/// w = (d scale) (q - 32).
/// </summary>
internal readonly unsafe struct Q6_K : IDirectFormat
{
    public static int BlockSize => 256;

    public static int BlockBytes => 210;

    public static void DequantizeReference(byte* source, float* destination, int count)
    {
        for (int i = 0; i < count; i += 256, source += 210, destination += 256)
        {
            float d = Float16.ToSingle(source + 208);
            for (int j = 0; j < 256; j++)
            {
                int half = j / 128;
                int q = source[half * 64 + j % 64] >> j % 128 / 64 * 4 & 15
                    | (source[128 + half * 32 + j % 32] >> j % 128 / 32 * 2 & 3) << 4;
                destination[j] = d * (sbyte)source[192 + j / 16] * (q - 32);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Dequantize(byte* source, float* destination, int count)
    {
        for (int i = 0; i < count; i += 256, source += 210, destination += 256)
        {
            float d = Float16.ToSingle(source + 208);
            for (int half = 0; half < 2; half++)
            {
                for (int part = 0; part < 2; part++)
                {
                    // Eight groups of 16 in the half: this part's are the even or the odd ones.
                    Vector128<byte> first = Vector128.Load(source + half * 64 + part * 16);
                    Vector128<byte> second = Vector128.Load(source + half * 64 + 32 + part * 16);
                    Vector128<byte> top = Vector128.Load(source + 128 + half * 32 + part * 16);
                    sbyte* scales = (sbyte*)source + 192 + half * 8 + part;
                    float* to = destination + half * 128 + part * 16;
                    Lanes.Store(Combine(Lanes.LowNibbles(first), Lanes.TwoBits(top, 0)), d * scales[0], to);
                    Lanes.Store(Combine(Lanes.LowNibbles(second), Lanes.TwoBits(top, 2)), d * scales[2], to + 32);
                    Lanes.Store(Combine(Lanes.HighNibbles(first), Lanes.TwoBits(top, 4)), d * scales[4], to + 64);
                    Lanes.Store(Combine(Lanes.HighNibbles(second), Lanes.TwoBits(top, 6)), d * scales[6], to + 96);
                }
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<sbyte> Combine(Vector128<byte> nibbles, Vector128<byte> top)
        => (nibbles | top << 4).AsSByte() - Vector128.Create((sbyte)32);

    public static int StepSize => 256;

    public static int StepBytes => 210;

    // Not inlined: four rows of it in one loop are more than the registers hold.
    [SkipLocalsInit]
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    public static Vector512<float> MultiplyAdd(byte* weights, float* x, Vector512<float> sum)
    {
        float* scales = stackalloc float[16];
        (Lanes.ToSingle(Vector128.Load(weights + 192).AsSByte()) * Vector512.Create(Float16.ToSingle(weights + 208))).Store(scales);
        Vector256<byte> low = Vector256.Create((byte)15), two = Vector256.Create((byte)0x30);
        Vector512<float> other = default;
        for (int half = 0; half < 2; half++)
        {
            Vector256<byte> first = Vector256.Load(weights + half * 64), second = Vector256.Load(weights + half * 64 + 32);
            Vector256<byte> top = Vector256.Load(weights + 128 + half * 32);
            // Bits that a shift moves over from the next byte fall to the masks.
            Run(first & low | (top.AsUInt16() << 4).AsByte() & two, x, scales, ref sum, ref other);
            Run(second & low | (top.AsUInt16() << 2).AsByte() & two, x + 32, scales + 2, ref sum, ref other);
            Run((first.AsUInt16() >>> 4).AsByte() & low | top & two, x + 64, scales + 4, ref sum, ref other);
            Run((second.AsUInt16() >>> 4).AsByte() & low | (top.AsUInt16() >>> 2).AsByte() & two,
                x + 96, scales + 6, ref sum, ref other);
            x += 128;
            scales += 8;
        }
        return sum + other;
    }

    /// <summary>Two groups of 16.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Run(Vector256<byte> q, float* x, float* scales, ref Vector512<float> first, ref Vector512<float> second)
    {
        Vector256<sbyte> centred = q.AsSByte() - Vector256.Create((sbyte)32);
        first = Vector512.FusedMultiplyAdd(Lanes.ToSingle(centred.GetLower()) * Vector512.Load(x), Vector512.Create(scales[0]), first);
        second = Vector512.FusedMultiplyAdd(
            Lanes.ToSingle(centred.GetUpper()) * Vector512.Load(x + 16), Vector512.Create(scales[1]), second);
    }
}
