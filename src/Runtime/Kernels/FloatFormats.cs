using System.Runtime.CompilerServices;

namespace Retrieval.Runtime.Kernels;

/// <summary>float32: blocks of one element, copied.</summary>
internal readonly unsafe struct F32 : IWeightFormat
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
}

/// <summary>IEEE binary16: blocks of one element. See <see cref="Float16"/>.</summary>
internal readonly unsafe struct F16 : IWeightFormat
{
    public static int BlockSize => 1;

    public static int BlockBytes => 2;

    public static void DequantizeReference(byte* source, float* destination, int count)
        => Float16.UnpackReference((ushort*)source, destination, count);

    public static void Dequantize(byte* source, float* destination, int count)
        => Float16.Unpack((ushort*)source, destination, count);
}

/// <summary>bfloat16: blocks of one element. See <see cref="BFloat16"/>.</summary>
internal readonly unsafe struct BF16 : IWeightFormat
{
    public static int BlockSize => 1;

    public static int BlockBytes => 2;

    public static void DequantizeReference(byte* source, float* destination, int count)
        => BFloat16.UnpackReference((ushort*)source, destination, count);

    public static void Dequantize(byte* source, float* destination, int count)
        => BFloat16.Unpack((ushort*)source, destination, count);
}
