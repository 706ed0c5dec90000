using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Retrieval.Runtime.Kernels;

/// <summary>float32: blocks of one element, copied.</summary>
internal readonly unsafe struct F32 : IDirectFormat
{
    public static int BlockSize => 1;

    public static int BlockBytes => 4;

    public static void DequantizeReference(byte* source, float* destination, int count)
    {
        for (int i = 0; i < count; i++)
            destination[i] = Unsafe.ReadUnaligned<float>(source + 4L * i);
    }

    public static void Dequantize(byte* source, float* destination, int count)
        => Unsafe.CopyBlockUnaligned(destination, source, (uint)count * 4);

    public static int StepSize => 16;

    public static int StepBytes => 64;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> MultiplyAdd(byte* weights, float* x, Vector512<float> sum)
        => Vector512.FusedMultiplyAdd(Vector512.Load((float*)weights), Vector512.Load(x), sum);
}

/// <summary>IEEE binary16: blocks of one element. See <see cref="Float16"/>.</summary>
internal readonly unsafe struct F16 : IDirectFormat
{
    public static int BlockSize => 1;

    public static int BlockBytes => 2;

    public static void DequantizeReference(byte* source, float* destination, int count)
        => Float16.UnpackReference((ushort*)source, destination, count);

    public static void Dequantize(byte* source, float* destination, int count)
        => Float16.Unpack((ushort*)source, destination, count);

    public static int StepSize => 16;

    public static int StepBytes => 32;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> MultiplyAdd(byte* weights, float* x, Vector512<float> sum)
        => Vector512.FusedMultiplyAdd(Float16.ToSingle(Vector256.Load((ushort*)weights)), Vector512.Load(x), sum);
}

/// <summary>bfloat16: blocks of one element. See <see cref="BFloat16"/>.</summary>
internal readonly unsafe struct BF16 : IDirectFormat
{
    public static int BlockSize => 1;

    public static int BlockBytes => 2;

    public static void DequantizeReference(byte* source, float* destination, int count)
        => BFloat16.UnpackReference((ushort*)source, destination, count);

    public static void Dequantize(byte* source, float* destination, int count)
        => BFloat16.Unpack((ushort*)source, destination, count);

    public static int StepSize => 16;

    public static int StepBytes => 32;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> MultiplyAdd(byte* weights, float* x, Vector512<float> sum)
        => Vector512.FusedMultiplyAdd(BFloat16.ToSingle(Vector256.Load((ushort*)weights)), Vector512.Load(x), sum);
}
