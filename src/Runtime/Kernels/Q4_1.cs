using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Retrieval.Runtime.Kernels;

/// <summary>
/// Blocks of 32: half d, half m, 16 bytes of nibbles (byte j holds elements j, low, and j + 16, high). w = d q + m.
/// </summary>
internal readonly unsafe struct Q4_1 : IWeightFormat
{
    public static int BlockSize => 32;

    public static int BlockBytes => 20;

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
}
