using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Retrieval.Runtime.Kernels;

/// <summary>
/// Blocks of 32: half d, 16 bytes of nibbles as in <see cref="Q4_0"/>, each an index into 16 fixed, unevenly spaced levels.
/// w = d level[q].
/// </summary>
internal readonly unsafe struct IQ4_NL : IWeightFormat
{
    public static int BlockSize => 32;

    public static int BlockBytes => 18;

    public static void DequantizeReference(byte* source, float* destination, int count)
    {
        for (int i = 0; i < count; i += 32, source += 18, destination += 32)
        {
            float d = Float16.ToSingle(source);
            for (int j = 0; j < 16; j++)
            {
                destination[j] = d * Levels[source[2 + j] & 15];
                destination[j + 16] = d * Levels[source[2 + j] >> 4];
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
            Lanes.Store(Look(Lanes.LowNibbles(nibbles)), d, destination);
            Lanes.Store(Look(Lanes.HighNibbles(nibbles)), d, destination + 16);
        }
    }

    /// <summary>ggml's kvalues_iq4nl.</summary>
    internal static ReadOnlySpan<sbyte> Levels => [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113];

    /// <summary>Levels[index], sixteen of them.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static Vector128<sbyte> Look(Vector128<byte> indices)
        => Vector128.Shuffle(Vector128.Create(Levels), indices.AsSByte());
}
