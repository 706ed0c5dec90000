using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Retrieval.Runtime.Kernels;

/// <summary>
/// Blocks of 32: half d, 32 signed bytes. w = d q.
/// </summary>
internal readonly unsafe struct Q8_0 : IWeightFormat
{
    public static int BlockSize => 32;

    public static int BlockBytes => 34;

    public static void DequantizeReference(byte* source, float* destination, int count)
    {
        for (int i = 0; i < count; i += 32, source += 34, destination += 32)
        {
            float d = Float16.ToSingle(source);
            for (int j = 0; j < 32; j++)
                destination[j] = (sbyte)source[2 + j] * d;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Dequantize(byte* source, float* destination, int count)
    {
        for (int i = 0; i < count; i += 32, source += 34, destination += 32)
        {
            float d = Float16.ToSingle(source);
            Lanes.Store(Vector128.Load(source + 2).AsSByte(), d, destination);
            Lanes.Store(Vector128.Load(source + 18).AsSByte(), d, destination + 16);
        }
    }
}
