using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Retrieval.Runtime.Kernels;

/// <summary>
/// Blocks of 32: half d, 32 signed bytes. w = d q.
/// </summary>
internal readonly unsafe struct Q8_0 : IDirectFormat
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

    public static int StepSize => 32;

    public static int StepBytes => 34;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> MultiplyAdd(byte* weights, float* x, Vector512<float> sum)
    {
        Vector512<float> group = Lanes.ToSingle(Vector128.Load(weights + 2).AsSByte()) * Vector512.Load(x);
        group = Vector512.FusedMultiplyAdd(Lanes.ToSingle(Vector128.Load(weights + 18).AsSByte()), Vector512.Load(x + 16), group);
        return Vector512.FusedMultiplyAdd(Vector512.Create(Float16.ToSingle(weights)), group, sum);
    }
}
